import OperationCases
// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

struct OperationTests {
    @Test(arguments: OperationTable.checked)
    func agreesWithItsReferenceAndItsGradientWithDifferences(_ item: OperationCase) {
        for result in OperationCheck.run(item) { #expect(result.passes, "\(result)") }
    }

    @Test func namesOfCasesDiffer() {
        #expect(Set(OperationTable.cases.map(\.name)).count == OperationTable.cases.count)
    }

    /// The checks must be able to fail: an output or a gradient that is slightly wrong is found.
    @Test(arguments: OperationTable.checked.filter { ["linear 2x7x13 to 5 bias", "attention 2x9x7 3 heads of 5"].contains($0.name) })
    func slightErrorsAreFound(_ item: OperationCase) {
        @Sendable func spoiled(_ tensor: Tensor) -> Tensor {
            var values = tensor.values
            values[values.count / 2] += 0.01
            return Tensor(values, shape: tensor.shape)
        }
        let output = OperationCase(item.name, inputs: item.inputs, work: item.work, reference: item.reference) { t in
            let pass = item.forward(t)
            return OperationCase.Pass(spoiled(pass.output), inputGradients: pass.inputGradients)
        }
        let gradient = OperationCase(item.name, inputs: item.inputs, work: item.work, reference: item.reference) { t in
            let pass = item.forward(t)
            return OperationCase.Pass(pass.output) { pass.inputGradients($0).map(spoiled) }
        }
        #expect(OperationCheck.run(output).first?.passes == false)
        #expect(OperationCheck.run(gradient).dropFirst().allSatisfy { !$0.passes })
    }

    @Test(arguments: Activation.allCases)
    func activationsOfExtremeInputsAreTheirLimits(_ kind: Activation) {
        let inputs: [Float] = [0, -0.0, 1e-30, 20, -20, 100, -100, 1e6, -1e6]
        let outputs = kind.forward(Tensor(inputs, shape: [inputs.count])).values
        let slopes = kind.inputGradient(
            Tensor([Float](repeating: 1, count: inputs.count), shape: [inputs.count]), input: Tensor(inputs, shape: [inputs.count])
        ).values
        for (index, x) in inputs.enumerated() {
            let open = kind == .none || x > 1
            #expect(abs(outputs[index] - (open ? x : 0)) <= 5e-8, "\(kind) of \(x) is \(outputs[index])")
            if abs(x) > 1 { #expect(abs(slopes[index] - (open ? 1 : 0)) <= 1e-6, "slope of \(kind) at \(x) is \(slopes[index])") }
        }
        #expect(kind.forward(Tensor([.nan], shape: [1])).values[0].isNaN)
    }

    @Test func attentionNeverLooksAhead() {
        let shape = [1, 600, 8], attention = Attention(heads: 2, isCausal: true)
        let draws = (0..<3).map { RandomDraws(seed: 5, sample: $0, stream: .weights).normalTensor(shape) }
        let output = attention.forward(query: draws[0], key: draws[1], value: draws[2]).values
        for place in [0, 255, 256, 511, 512, 599] {
            func changed(_ tensor: Tensor) -> Tensor {
                var values = tensor.values
                for index in (place + 1) * 8..<values.count { values[index] += 3 }
                return Tensor(values, shape: shape)
            }
            guard place < 599 else { continue }
            let other = attention.forward(query: draws[0], key: changed(draws[1]), value: changed(draws[2])).values
            #expect(other[..<((place + 1) * 8)] == output[..<((place + 1) * 8)])
            #expect(other[((place + 1) * 8)...] != output[((place + 1) * 8)...])
        }
    }

    @Test func attentionWithHugeScoresPicksOneKey() {
        let query = Tensor([1e4, 0, 0, -1e4], shape: [1, 2, 2]), key = Tensor([1e4, 0, 0, 1e4], shape: [1, 2, 2])
        let output = Attention(heads: 1).forward(query: query, key: key, value: Tensor([1, 2, 3, 4], shape: [1, 2, 2])).values
        #expect(zip(output, [1, 2, 1, 2]).allSatisfy { abs($0 - $1) < 1e-6 }, "\(output)")
    }

    /// The rounding of such scores alone is a larger exponent than a float has.
    @Test(arguments: [1e5, 1e9, 1e15] as [Float]) func attentionWithUnreasonableScoresStaysFinite(size: Float) {
        let query = Tensor([size, 0.3 * size, 0.7 * size, -size], shape: [1, 2, 2])
        let key = Tensor([0.9 * size, size, 0.1 * size, size], shape: [1, 2, 2])
        let attention = Attention(heads: 1), value = Tensor([1, 2, 3, 4], shape: [1, 2, 2])
        var saved: Attention.Saved?
        let output = attention.forward(query: query, key: key, value: value, saving: &saved)
        #expect(output.values.allSatisfy { (0.999...4.001).contains($0) }, "\(output.values)")
        guard let saved else { return }
        let gradients = attention.inputGradients(Tensor([1, -1, 1, -1], shape: [1, 2, 2]), saved)
        #expect(gradients.value.isFinite)
    }

    @Test func theQueryGradientCanBeLeftOut() throws {
        let draws = (0..<4).map { RandomDraws(seed: 6, sample: $0, stream: .weights).normalTensor([2, 300, 12]) }
        let attention = Attention(heads: 3)
        var saved: Attention.Saved?
        _ = attention.forward(query: draws[0], key: draws[1], value: draws[2], saving: &saved)
        let kept = try #require(saved)
        let whole = attention.inputGradients(draws[3], kept), part = attention.inputGradients(draws[3], kept, needsQuery: false)
        #expect(part.query == nil && whole.query != nil)
        #expect(part.key.values == whole.key.values && part.value.values == whole.value.values)
    }

    @Test func savingChangesNothing() {
        let input = RandomDraws(seed: 7, stream: .weights).normalTensor([2, 9, 16])
        let ones = Tensor([Float](repeating: 1, count: 16), shape: [16]), zeros = Tensor(zeros: [16])
        var (layerSaved, groupSaved, attentionSaved): (LayerNorm.Saved?, GroupNorm.Saved?, Attention.Saved?)
        let layer = LayerNorm(weight: ones, bias: zeros, epsilon: 1e-5),
            group = GroupNorm(weight: ones, bias: zeros, groups: 4, epsilon: 1e-5)
        #expect(layer.forward(input).values == layer.forward(input, saving: &layerSaved).values)
        #expect(group.forward(input).values == group.forward(input, saving: &groupSaved).values)
        let attention = Attention(heads: 2)
        #expect(
            attention.forward(query: input, key: input, value: input).values
                == attention.forward(query: input, key: input, value: input, saving: &attentionSaved).values)
    }

    @Test func aSampleDoesNotDependOnItsNeighbours() {
        let pictures = RandomDraws(seed: 8, stream: .weights).normalTensor([3, 6, 5, 8])
        let weight = RandomDraws(seed: 9, stream: .weights).normalTensor([4, 3, 3, 8])
        let norm = GroupNorm(
            weight: Tensor([Float](repeating: 1, count: 8), shape: [8]), bias: Tensor(zeros: [8]), groups: 2, epsilon: 1e-5,
            activation: .silu)
        let convolution = Convolution(weight: Weight(weight), padding: Padding(1))
        let together = convolution.forward(norm.forward(pictures)), alone = convolution.forward(norm.forward(pictures.slice(1..<2)))
        #expect(OperationCheck.normalisedError(alone.values, together.slice(1..<2).values.map(Double.init)) < 1e-13)
    }

    @Test func squaredErrorsAreSummedInDouble() {
        let count = 1 << 21
        let ones = Tensor([Float](repeating: 1, count: count), shape: [1, count])
        #expect(MeanSquaredError.forward(ones, Tensor(zeros: [1, count])) == [1])
    }

    @Test func weightsOfAnotherShapeStopTheProgram() async {
        await #expect(processExitsWith: .failure) {
            let tensor = Tensor(zeros: [1, 64])
            _ = MeanSquaredError.inputGradient(tensor, tensor, weights: Tensor(zeros: [1, 2]))
        }
    }
}
