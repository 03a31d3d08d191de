// SPDX-License-Identifier: Apache-2.0
internal import COneDNN
private import Synchronization

/// A convolution by oneDNN, strip by strip: the weight packed once, no other re-layout.
///
/// Each task computes some lines of one sample; strips depend on the sizes alone, so the bits do not depend on the number of threads.
struct DirectConvolution {
    let shape: pw_dnn_convolution
    /// Lines of the output for each task.
    private let lines: Int

    /// `direct` or `patches` to have one of them everywhere.
    ///
    /// Only oneDNN's matrix kernels (AVX-512 and later) beat rows of patches and a product; on simpler processors its kernels for channels
    /// last do not.
    static let forced = environment("PSEUDOWORD_CONVOLUTION").flatMap { ["direct", "patches"].contains($0) ? $0 : nil }

    /// Nil when another way is better: small pictures, or a processor for which oneDNN has no good kernel.
    init?(_ job: ConvolutionJob, kernel: (height: Int, width: Int)) {
        let (inputShape, outputShape, padding, stride) = (job.inputShape, job.outputShape, job.padding, job.stride)
        guard Compute.backend == .oneDNN, Self.forced != "patches", inputShape.reduce(1, *) > 0, outputShape.reduce(1, *) > 0 else {
            return nil
        }
        guard min(padding.top, padding.left, padding.bottom, padding.right) >= 0 else { return nil }
        let isForced = Self.forced == "direct"
        guard isForced || outputShape[1] * outputShape[2] >= 256 && min(inputShape[3], outputShape[3]) >= 16 else { return nil }
        let work = 2.0 * Double(outputShape[1] * outputShape[2] * outputShape[3]) * Double(kernel.height * kernel.width * inputShape[3])
        let strips = max(1, min(8, outputShape[1], outputShape[1] * outputShape[2] / 64, Int(work / 4e6)))
        lines = (outputShape[1] + strips - 1) / strips
        shape = pw_dnn_convolution(
            images: 1, height: Int64(inputShape[1]), width: Int64(inputShape[2]), inputs: Int64(inputShape[3]),
            outputs: Int64(outputShape[3]), out_height: Int64(outputShape[1]), out_width: Int64(outputShape[2]),
            kernel_height: Int64(kernel.height), kernel_width: Int64(kernel.width), stride: Int64(stride), top: Int64(padding.top),
            left: Int64(padding.left), bottom: Int64(padding.bottom), right: Int64(padding.right), has_bias: job.bias != nil ? 1 : 0,
            accumulates: job.residual != nil ? 1 : 0, type: PW_DNN_F32)
        guard let plan = DNNPlan.convolution(strip(0)), isForced || plan.implementation.hasPrefix("brg") else { return nil }
    }

    private var strips: Int { (Int(shape.out_height) + lines - 1) / lines }

    /// The first input line that strip `index` reads, inside the picture.
    private func firstLine(_ index: Int) -> Int {
        min(Int(shape.height), max(0, index * lines * Int(shape.stride) - Int(shape.top)))
    }

    /// A strip as a convolution of its own, padded where it meets the border.
    private func strip(_ index: Int) -> pw_dnn_convolution {
        var result = shape
        let first = index * lines, count = min(lines, Int(shape.out_height) - first)
        let start = first * Int(shape.stride) - Int(shape.top)
        let end = start + (count - 1) * Int(shape.stride) + Int(shape.kernel_height)
        result.out_height = Int64(count)
        result.height = Int64(max(1, min(end, Int(shape.height)) - firstLine(index)))
        result.top = Int64(max(0, -start))
        result.bottom = Int64(end) - Int64(start) - result.top - result.height
        return result
    }

    func run(_ job: ConvolutionJob, weights: PackedConvolution, isGradient: Bool) {
        let strips = strips, plans = (0..<strips).map { DNNPlan.convolution(strip($0)) }
        let packed = plans.map { plan in plan.map { weights.packed(for: $0, isGradient: isGradient) } }
        let lineIn = Int(shape.width * shape.inputs), lineOut = Int(shape.out_width * shape.outputs)
        parallel(job.outputShape[0] * strips) { task in
            let (sample, index) = (task / strips, task % strips)
            guard let plan = plans[index], let weight = packed[index] else { preconditionFailure("oneDNN took one strip but not another") }
            let size = strip(index)
            let source = job.input + (sample * Int(shape.height) + firstLine(index)) * lineIn
            let offset = (sample * Int(shape.out_height) + index * lines) * lineOut
            if let residual = job.residual { (job.output + offset).update(from: residual + offset, count: Int(size.out_height) * lineOut) }
            Compute.count(
                Int(size.out_height * size.out_width), Int(size.outputs), Int(size.kernel_height * size.kernel_width * size.inputs))
            plan.execute(source, weight: weight, bias: job.bias.map { $0 + sample * job.biasStride }, into: job.output + offset)
        }
    }
}

/// The packed weights of one convolution, made when they are first asked for and shared by all copies of the layer.
final class PackedConvolution: Sendable {
    private struct Entry {
        let plan: DNNPlan, isGradient: Bool, packed: Storage
    }

    private let weight: Weight
    private let entries = Mutex<[Entry]>([])

    init(_ weight: Weight) { self.weight = weight }

    /// The gradient's weight is turned by 180 degrees, with inputs and outputs exchanged.
    func packed(for plan: DNNPlan, isGradient: Bool) -> Storage {
        entries.withLock { entries in
            if let known = entries.first(where: { $0.isGradient == isGradient && $0.plan.packsLike(plan) }) { return known.packed }
            let plain = weight.widened(), (row, column) = (plain.shape[2] * plain.shape[3], plain.shape[3])
            let filter = plain.shape[1] * row
            let packed =
                isGradient
                ? plan.pack(turned(plain), strides: [1, filter, row, column]) : plan.pack(plain, strides: [filter, 1, row, column])
            entries.append(Entry(plan: plan, isGradient: isGradient, packed: packed))
            return packed
        }
    }

    private func turned(_ weight: Tensor) -> Tensor {
        let (taps, channels) = (weight.shape[1] * weight.shape[2], weight.shape[3])
        let result = Tensor(uninitialized: weight.shape)
        parallelRanges(weight.shape[0], minimum: max(1, 65536 / (taps * channels))) { range in
            for filter in range {
                for tap in 0..<taps {
                    (result.pointer + (filter * taps + tap) * channels).update(
                        from: weight.pointer + (filter * taps + taps - 1 - tap) * channels, count: channels)
                }
            }
        }
        return result
    }
}
