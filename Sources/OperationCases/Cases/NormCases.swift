// SPDX-License-Identifier: Apache-2.0
import Tensors

extension OperationCase {
    /// - Parameter offset: the mean of the inputs: far from zero, a sum of squares would lose everything.
    static func groupNorm(
        _ shape: [Int], groups: Int, activation: Activation = .none, offset: Float = 0.5, epsilon: Float = 1e-5
    ) -> OperationCase {
        let channels = shape[shape.count - 1], count = Double(shape.reduce(1, *))
        var item = OperationCase(
            "group norm \(text(shape)) in \(groups) groups \(activation.rawValue) around \(offset)",
            inputs: [
                Input(shape, hasGradient: true, scale: 1.5, offset: offset), Input([channels], scale: 0.3, offset: 1),
                Input([channels], scale: 0.3),
            ], work: (8 * count, 16 * count),
            reference: { t in
                References.groupNorm(t[0], weight: t[1], bias: t[2], groups: groups, epsilon: Double(epsilon), activation: activation)
            },
            forward: { t in
                let layer = GroupNorm(weight: t[1], bias: t[2], groups: groups, epsilon: epsilon, activation: activation)
                var saved: GroupNorm.Saved?
                let output = layer.forward(t[0], saving: &saved)
                return Pass(output) { gradient in saved.map { [layer.inputGradient(gradient, $0)] } ?? [] }
            })
        // x scale + shift: the result keeps the rounding of numbers as large as the offset.
        let loss = Double(max(1, offset * offset))
        item.tolerance *= loss
        item.gradientTolerance *= loss.squareRoot()
        if item.inputs[0].shape.dropFirst().reduce(1, *) / groups <= 2 { item.leastGradient = twoValues }
        return item
    }

    /// Two values become -1 and 1 whatever they are (and one becomes 0), so their gradient is nothing but rounding.
    private static let twoValues = 0.1

    static func layerNorm(_ shape: [Int], offset: Float = 0.5) -> OperationCase {
        let channels = shape[shape.count - 1], count = Double(shape.reduce(1, *))
        var item = OperationCase(
            "layer norm \(text(shape)) around \(offset)",
            inputs: [
                Input(shape, hasGradient: true, scale: 1.5, offset: offset), Input([channels], scale: 0.3, offset: 1),
                Input([channels], scale: 0.3),
            ], work: (8 * count, 12 * count),
            reference: { t in References.layerNorm(t[0], weight: t[1], bias: t[2], epsilon: 1e-5) },
            forward: { t in
                let layer = LayerNorm(weight: t[1], bias: t[2], epsilon: 1e-5)
                var saved: LayerNorm.Saved?
                let output = layer.forward(t[0], saving: &saved)
                return Pass(output) { gradient in saved.map { [layer.inputGradient(gradient, $0)] } ?? [] }
            })
        let loss = Double(max(1, offset * offset))
        item.tolerance *= loss
        item.gradientTolerance *= loss.squareRoot()
        if channels <= 2 { item.leastGradient = twoValues }
        return item
    }

    static let normCases: [OperationCase] = [
        groupNorm([1, 1, 1, 2], groups: 1), groupNorm([2, 3, 5, 6], groups: 3), groupNorm([2, 3, 5, 6], groups: 1, activation: .silu),
        groupNorm([1, 4, 4, 6], groups: 6, activation: .silu), groupNorm([3, 1, 2, 12], groups: 4, epsilon: 1e-6),
        groupNorm([2, 7, 4], groups: 2, activation: .silu), groupNorm([1, 5, 7, 66], groups: 33, activation: .gelu),
        // Groups across the kernel's blocks of 64 channels and 32 pixels; several chunks of pixels; samples with one pixel.
        groupNorm([1, 3, 11, 130], groups: 2, activation: .silu), groupNorm([2, 33, 40, 64], groups: 32, activation: .silu),
        groupNorm([1, 50, 50, 96], groups: 3), groupNorm([4, 1, 1, 320], groups: 32, activation: .quickGELU),
        groupNorm([1, 16, 16, 32], groups: 8, activation: .silu, offset: 100), groupNorm([1, 64, 64, 320], groups: 32, activation: .silu),
        groupNorm([1, 256, 256, 128], groups: 32, activation: .silu),
        layerNorm([1, 2]), layerNorm([2, 1]), layerNorm([1, 16]), layerNorm([3, 15]), layerNorm([2, 3, 17]), layerNorm([2, 77, 48]),
        layerNorm([1, 500, 80]),
        layerNorm([7, 1280]), layerNorm([5, 40], offset: 100), layerNorm([1, 4096, 320]),
    ]
}
