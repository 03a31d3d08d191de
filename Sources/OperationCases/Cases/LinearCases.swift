// SPDX-License-Identifier: Apache-2.0
import Tensors

extension OperationCase {
    /// A linear layer over `shape`'s rows; `sum` adds a tensor to the gradient, as when several paths lead to one input.
    static func linear(_ shape: [Int], to outputs: Int, bias: Bool = true, residual: Bool = false, sum: Bool = false) -> OperationCase {
        let inputs = shape[shape.count - 1], outShape = Array(shape.dropLast()) + [outputs]
        let flops = 2.0 * Double(shape.reduce(1, *)) * Double(outputs)
        let marks = (bias ? " bias" : "") + (residual ? " residual" : "") + (sum ? " sum" : "")
        let slots: [Input] =
            [Input(shape, hasGradient: true), Input([outputs, inputs], scale: 1 / Float(inputs).squareRoot())]
            + (bias ? [Input([outputs])] : []) + (residual ? [Input(outShape)] : [])
        return OperationCase(
            "linear \(text(shape)) to \(outputs)\(marks)", inputs: slots, work: (flops, flops),
            reference: { t in
                References.linear(t[0], weight: t[1], bias: bias ? t[2] : nil, residual: residual ? t[t.count - 1] : nil)
            },
            forward: { t in
                let layer = Linear(weight: Weight(t[1]), bias: bias ? t[2] : nil)
                return Pass(layer.forward(t[0], adding: residual ? t[t.count - 1] : nil)) { gradient in
                    guard sum else { return [layer.inputGradient(gradient)] }
                    // What was added is taken off again: the reference knows this path alone.
                    let negative = Tensor(t[0].values.map { -$0 }, shape: shape)
                    return [Addition.forward(layer.inputGradient(gradient, adding: t[0]), negative)]
                }
            })
    }

    static func text(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: "x") }

    static let linearCases: [OperationCase] = [
        linear([1, 1], to: 1), linear([1, 5], to: 7, bias: false), linear([3, 1], to: 4), linear([7, 13], to: 1, residual: true),
        linear([2, 7, 13], to: 5), linear([2, 7, 13], to: 5, bias: false, residual: true), linear([5, 3, 17], to: 33, bias: false),
        linear([4, 16], to: 16, sum: true), linear([2, 3, 4, 16], to: 31, residual: true, sum: true),
        // One task, two, four and eight; cut along rows, along columns and along both.
        linear([100, 96], to: 100), linear([129, 96], to: 100, residual: true), linear([517, 64], to: 70, bias: false),
        linear([1000, 64], to: 64, sum: true), linear([3, 1000], to: 700, residual: true), linear([9, 512], to: 1025),
        linear([260, 128], to: 260, residual: true, sum: true),
        // Stable Diffusion 1 at 512 pixels: queries, feed-forward, prompt keys, the text encoder.
        linear([1, 4096, 320], to: 320, bias: false), linear([1, 4096, 320], to: 2560), linear([1, 4096, 1280], to: 320, residual: true),
        linear([1, 1024, 640], to: 5120), linear([1, 256, 1280], to: 10240), linear([1, 77, 768], to: 1280, bias: false),
        linear([1, 77, 768], to: 3072),
    ]
}
