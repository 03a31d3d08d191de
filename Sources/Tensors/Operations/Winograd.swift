// SPDX-License-Identifier: Apache-2.0
private import CKernels

/// A 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3): a quarter of the multiplications, at about twice the rounding error.
///
/// Exact arithmetic would give the same numbers as the direct convolution. In f32 the relative error is about 2e-6 instead of 1e-6. The
/// transformed weight has four times the size of the weight, so it pays only where many tiles share it.
struct Winograd: Sendable {
    /// Floats of transformed input and output at once: they have to stay in the last-level cache.
    private static let chunkLimit = 6 << 20

    /// Whether a transformed weight, four times as large as the weight, is worth its memory.
    ///
    /// The answer depends on one picture alone: a sample goes the same way however many are computed with it. Large weights want many
    /// tiles: Stable Diffusion's own, at 16 x 16 latents, would take another 5.7 GB in f32 (`PSEUDOWORD_WINOGRAD=all` takes them).
    static func pays(outputShape: [Int], inputs: Int, _ precision: ProductPrecision) -> Bool {
        let outputs = outputShape[3]
        guard Compute.winograd != .off, inputs % 16 == 0, outputs % 16 == 0, min(inputs, outputs) >= 32 else { return false }
        let tiles = tileCount(outputShape[1]) * tileCount(outputShape[2])
        // It multiplies in f32: bf16 would lose too much. Against a direct convolution in bf16 it wins for large pictures only.
        if precision == .bf16 { return tiles >= 192 }
        return tiles >= 48 || tiles >= 16 && (Compute.winograd == .all || 9 * inputs * outputs <= 1 << 20)
    }

    private static func tileCount(_ length: Int) -> Int { (length + 3) / 4 }

    /// 36 matrices [depth, columns] of the weight's panels `panels`: [36, panels.count, depth, panel width].
    fileprivate static func transform(_ weight: Weight, _ direction: Weight.Direction, panels: Range<Int>) -> Tensor {
        let (depth, columns, width) = (weight.depth(direction), weight.width(direction), Product.panelWidth)
        let result = Tensor(uninitialized: [36, panels.count, depth, width])
        parallel(panels.count) { index in
            let panel = panels.lowerBound + index, block = min(depth, 64), taps = scratch(0, 9 * block * width)
            for first in stride(from: 0, to: depth, by: block) {
                let channels = first..<min(depth, first + block)
                weight.pack(direction, depth: channels, columns: panel * width..<min(columns, (panel + 1) * width), into: taps)
                pw_winograd_weights(
                    taps, result.pointer + (index * depth + first) * width, channels.count, panels.count * depth * width)
            }
        }
        return result
    }

    static func run(_ job: ConvolutionJob, _ weight: WinogradWeight, _ direction: Weight.Direction) {
        let (inputs, outputs) = (job.inputShape[3], job.outputShape[3])
        let (rows, columns) = (tileCount(job.outputShape[1]), tileCount(job.outputShape[2]))
        let tiles = job.outputShape[0] * rows * columns
        Compute.countSaved(2 * (9 * job.outputShape[0] * job.outputShape[1] * job.outputShape[2] - 36 * tiles) * inputs * outputs)
        let largest = max(64, chunkLimit / (36 * (inputs + outputs)) / 16 * 16)
        let chunks = (tiles + largest - 1) / largest, size = (tiles + chunks - 1) / chunks
        let before = Tensor(uninitialized: [36, size, inputs]), after = Tensor(uninitialized: [36, size, outputs])
        for first in stride(from: 0, to: tiles, by: size) {
            let count = min(size, tiles - first)
            parallelRanges(count, minimum: max(1, 16384 / (36 * inputs))) { range in
                pw_winograd_input(
                    job.input, before.pointer, job.inputShape[1], job.inputShape[2], inputs, rows, columns, job.padding.top,
                    job.padding.left, first + range.lowerBound, range.count, range.lowerBound, count)
            }
            weight.forEachGroup(direction) { panels, transformed in
                multiplyAll(before, after, transformed, panels: panels, count: count, inputs: inputs, outputs: outputs)
            }
            parallelRanges(count, minimum: max(1, 16384 / (36 * outputs))) { range in
                pw_winograd_output(
                    after.pointer, job.output, job.bias, job.residual, job.biasStride, job.outputShape[1], job.outputShape[2], outputs,
                    rows, columns, first + range.lowerBound, range.count, range.lowerBound, count)
            }
        }
    }

    /// The 36 products for some panels of columns, each cut along them when there is work for several tasks.
    private static func multiplyAll(
        _ before: Tensor, _ after: Tensor, _ weight: Tensor, panels: Range<Int>, count: Int, inputs: Int, outputs: Int
    ) {
        let width = Product.panelWidth
        let pieces = max(1, min(panels.count / 2, 2 * Compute.threads, count * inputs * panels.count * width / 10_000_000))
        parallel(36 * pieces) { task in
            let (place, piece) = (task / pieces, task % pieces)
            let first = panels.count * piece / pieces, end = panels.count * (piece + 1) / pieces
            let column = (panels.lowerBound + first) * width
            Product.multiply(
                count, min(outputs, (panels.lowerBound + end) * width) - column, inputs,
                LeftOperand(pointer: before.pointer + place * count * inputs, stride: inputs),
                RightOperand(pointer: weight.pointer + (place * panels.count + first) * inputs * width, stride: inputs * width),
                into: after.pointer + place * count * outputs + column, stride: outputs)
        }
    }
}

/// The transformed weight of one convolution for both directions, made when it is first asked for and shared by all copies of the layer.
///
/// With little memory it is made anew for every pass, some panels at a time.
final class WinogradWeight: Sendable {
    private let weight: Weight
    private let kept = KeptDirections()

    /// Floats of the panels that are transformed at once when none are kept.
    private static let groupLimit = 4 << 20

    init(_ weight: Weight) { self.weight = weight }

    /// Calls `body` for groups of panels with their transformed weights.
    fileprivate func forEachGroup(_ direction: Weight.Direction, _ body: (Range<Int>, Tensor) -> Void) {
        let panels = Product.panelCount(weight.width(direction))
        if Compute.memory == .fast {
            return body(0..<panels, kept.tensor(direction) { Winograd.transform(weight, direction, panels: 0..<panels) })
        }
        let size = max(Compute.threads, Self.groupLimit / (36 * weight.depth(direction) * Product.panelWidth))
        for first in stride(from: 0, to: panels, by: size) {
            let group = first..<min(panels, first + size)
            body(group, Winograd.transform(weight, direction, panels: group))
        }
    }
}
