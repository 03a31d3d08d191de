// SPDX-License-Identifier: Apache-2.0
package import Tensors

/// One operation at one size: how to run it, what it should give, and what it costs.
///
/// The same table of cases serves the comparison with the references, the gradient check and the benchmark.
package struct OperationCase: Sendable {
    /// A tensor that the operation reads, drawn from a normal distribution.
    package struct Input: Sendable {
        package let shape: [Int]
        /// Whether the operation has a gradient for it; frozen weights have none.
        package let hasGradient: Bool
        let scale: Float, offset: Float

        package init(_ shape: [Int], hasGradient: Bool = false, scale: Float = 1, offset: Float = 0) {
            (self.shape, self.hasGradient, self.scale, self.offset) = (shape, hasGradient, scale, offset)
        }
    }

    /// A forward pass and what it kept for its gradient.
    package struct Pass {
        package let output: Tensor
        /// dL/d input for every input that has a gradient, in their order, from dL/d output.
        package let inputGradients: (Tensor) -> [Tensor]

        package init(_ output: Tensor, inputGradients: @escaping (Tensor) -> [Tensor]) {
            self.output = output
            self.inputGradients = inputGradients
        }
    }

    package let name: String
    package let inputs: [Input]
    /// Floating-point operations of the forward pass and of the input gradients.
    package let work: (forward: Double, gradient: Double)
    package let forward: @Sendable ([Tensor]) -> Pass
    /// The forward pass in double, written as its definition.
    package let reference: @Sendable ([PlainTensor]) -> PlainTensor
    /// The largest normalised mean squared error of the output: |ours - reference|^2 / |reference|^2.
    package var tolerance = 1e-12
    /// The largest mean asymmetry of the gradient and of its product with a direction (see `OperationCheck`).
    package var gradientTolerance = 2e-6
    /// Gradients smaller than this are nothing but rounding: it stands in for their size where they are zero by nature.
    package var leastGradient = 0.0
    /// Nil: the output gradient is random; otherwise all its values are this one.
    package var outputGradient: Float?

    package init(
        _ name: String, inputs: [Input], work: (forward: Double, gradient: Double),
        reference: @escaping @Sendable ([PlainTensor]) -> PlainTensor, forward: @escaping @Sendable ([Tensor]) -> Pass
    ) {
        self.name = name
        self.inputs = inputs
        self.work = work
        self.reference = reference
        self.forward = forward
    }

    /// Too large to hold against a plain reference: for the benchmark only.
    package var isLarge: Bool { work.forward > 1e8 || inputs.contains { $0.shape.reduce(1, *) > 1_000_000 } }

    /// The case's own random inputs: the same in every run.
    package func makeInputs() -> [Tensor] {
        inputs.enumerated().map { index, input in
            let draws = RandomDraws(seed: seed, sample: index, stream: .weights).normals(input.shape.reduce(1, *))
            return Tensor(draws.map { $0 * input.scale + input.offset }, shape: input.shape)
        }
    }

    package func makeOutputGradient(shape: [Int]) -> Tensor {
        if let outputGradient { return Tensor([Float](repeating: outputGradient, count: shape.reduce(1, *)), shape: shape) }
        return RandomDraws(seed: seed, sample: 1000, stream: .weights).normalTensor(shape)
    }

    /// A direction in which the inputs are moved to check their gradients.
    func makeDirection(_ index: Int) -> [Double] {
        RandomDraws(seed: seed, sample: 2000 + index, stream: .weights).normals(inputs[index].shape.reduce(1, *)).map(Double.init)
    }

    /// FNV-1a of the name, so that a case keeps its numbers when others are added.
    private var seed: UInt64 { name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 } }
}

extension OperationCase: CustomStringConvertible {
    package var description: String { name }
}
