// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Tensors

/// Products in bf16, by the processor's own instruction or, where it has none, by kernels that stand in for it.
struct BF16Tests {
    private func draw(_ shape: [Int], _ place: Int, scale: Float = 1) -> Tensor {
        let draws = RandomDraws(seed: 7, sample: place, stream: .weights).normals(shape.reduce(1, *))
        return Tensor(draws.map { $0 * scale }, shape: shape)
    }

    private func rounded(_ value: Float) -> Float {
        let bits = value.bitPattern
        return Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
    }

    private func rounded(_ tensor: Tensor) -> Tensor { Tensor(tensor.values.map(rounded), shape: tensor.shape) }

    /// |a - b| / |b|.
    private func error(_ a: Tensor, _ b: Tensor) -> Double {
        let pairs = zip(a.values, b.values).map { (Double($0), Double($1)) }
        let difference = pairs.reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }, size = pairs.reduce(0) { $0 + $1.1 * $1.1 }
        return (difference / size).squareRoot()
    }

    @Test(arguments: [0, 1, 7, 200_001]) func whatIsKeptIsRoundedToNearest(count: Int) {
        let tensor = draw([count], 3), kept = KeptTensor(tensor, .bf16)
        #expect(kept.tensor.values == rounded(tensor).values && kept.shape == [count])
        #expect(KeptTensor(tensor, .f32).tensor.values == tensor.values)
    }

    /// A product in bf16 is one in f32 of rounded operands: products of two bf16 numbers are exact in f32, only the sums round.
    @Test func linearLayersMultiplyRoundedOperands() {
        for (rows, inputs, outputs) in [(1, 2, 1), (7, 34, 5), (100, 96, 130), (3, 1000, 700), (260, 650, 33)] {
            let input = draw([rows, inputs], 0), weight = draw([outputs, inputs], 1), bias = draw([outputs], 2)
            let sum = draw([rows, outputs], 3), gradient = draw([rows, outputs], 4)
            let layer = Linear(weight: Weight(weight), bias: bias, precision: .bf16)
            let plain = Linear(weight: Weight(rounded(weight)), bias: bias)
            #expect(error(layer.forward(input, adding: sum), plain.forward(rounded(input), adding: sum)) < 1e-6)
            guard outputs % 2 == 0 else { continue }
            #expect(error(layer.inputGradient(gradient), plain.inputGradient(rounded(gradient))) < 1e-6)
        }
    }

    /// Nothing is paired with nothing: such layers, and those that a library multiplies, stay f32.
    @Test func anOddDepthIsMultipliedInF32() {
        let input = draw([5, 33], 0), weight = Weight(draw([8, 33], 1))
        #expect(Linear(weight: weight, precision: .bf16).forward(input).values == Linear(weight: weight).forward(input).values)
    }

    /// Lines of pixels, patches of small pictures, strides, and samples with biases of their own.
    @Test func convolutionsMultiplyRoundedOperands() {
        for (height, width, stride, inputs, outputs) in [
            (9, 11, 1, 34, 40), (4, 5, 1, 6, 8), (16, 16, 1, 64, 32), (12, 20, 2, 16, 20), (8, 8, 1, 4, 2),
        ] {
            let input = draw([2, height, width, inputs], 0), weight = draw([outputs, 3, 3, inputs], 1), bias = draw([2, outputs], 2)
            func layer(_ weight: Tensor, _ precision: ProductPrecision) -> Convolution {
                Convolution(weight: Weight(weight), stride: stride, padding: Padding(1), precision: precision)
            }
            let ours = layer(weight, .bf16), plain = layer(rounded(weight), .f32)
            let expected = plain.forward(rounded(input), sampleBias: bias)
            #expect(error(ours.forward(input, sampleBias: bias), expected) < 1e-5)
            let gradient = draw(expected.shape, 3)
            let given = stride == 1 ? rounded(gradient) : gradient, exact = stride == 1 ? plain : layer(weight, .f32)
            #expect(
                error(ours.inputGradient(gradient, inputShape: input.shape), exact.inputGradient(given, inputShape: input.shape)) < 1e-5)
        }
    }

    /// Probabilities are rounded between two products, so only the size of the error is known: that of bf16.
    @Test(arguments: [(70, 70, true), (77, 77, true), (130, 77, false), (300, 600, false), (40, 1100, false)])
    func attentionIsAsExactAsItsPrecision(_ queries: Int, _ keys: Int, _ isCausal: Bool) throws {
        let shapes = [[2, queries, 80], [2, keys, 80], [2, keys, 80], [2, queries, 80]]
        let tensors = shapes.enumerated().map { draw($1, $0) }
        var results: [[Tensor]] = []
        for precision in [ProductPrecision.f32, .bf16] {
            let layer = Attention(heads: 2, isCausal: isCausal, precision: precision)
            var saved: Attention.Saved?
            let output = layer.forward(query: tensors[0], key: tensors[1], value: tensors[2], saving: &saved)
            let gradients = layer.inputGradients(tensors[3], try #require(saved))
            results.append([output, try #require(gradients.query), gradients.key, gradients.value])
        }
        for (exact, ours) in zip(results[0], results[1]) {
            let difference = error(ours, exact)
            #expect(difference < 0.01 && difference > 1e-5)
        }
    }

    @Test func numbersAreRoundedToTheNearestEven() {
        let values: [Float] = [
            0, -0, 1, -1, 1.00390625, 1.01171875, 3.4e38, -3.4e38, .infinity, -.infinity, Float(bitPattern: 71362), .leastNonzeroMagnitude,
            0.1, -2.7,
        ]
        let rows = LeftRows(Tensor(values + [.nan, Float(bitPattern: 0x7FFF_FFFF)], shape: [1, 16]), isPaired: true)
        let bits = withExtendedLifetime(rows) {
            Array(
                UnsafeBufferPointer(start: UnsafeRawPointer(rows.at(0, stride: 16).pointer).assumingMemoryBound(to: UInt16.self), count: 16)
            )
        }
        for (index, value) in values.enumerated() { #expect(bits[index] == UInt16(rounded(value).bitPattern >> 16), "\(value)") }
        for index in 14..<16 { #expect(Float(bitPattern: UInt32(bits[index]) << 16).isNaN) }
    }

    @Test func bitsDoNotDependOnTheCut() {
        defer { Compute.setThreads(1) }
        let input = draw([64, 320], 0), layer = Linear(weight: Weight(draw([640, 320], 1)), precision: .bf16)
        let picture = draw([1, 16, 16, 64], 2)
        let convolution = Convolution(weight: Weight(draw([96, 3, 3, 64], 3)), padding: Padding(1), precision: .bf16)
        let attention = Attention(heads: 4, precision: .bf16), tokens = draw([1, 300, 160], 4)
        var all: [[[Float]]] = []
        for threads in [1, 2, 5] {
            Compute.setThreads(threads)
            let seen = attention.forward(query: tokens, key: tokens, value: tokens)
            all.append([layer.forward(input).values, convolution.forward(picture).values, seen.values])
        }
        #expect(all[1] == all[0] && all[2] == all[0])
    }
}
