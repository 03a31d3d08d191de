// SPDX-License-Identifier: Apache-2.0
private import CKernels

/// One convolution to be computed: where its pictures lie and what is added to the result.
struct ConvolutionJob {
    let input: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>
    let inputShape: [Int], outputShape: [Int]
    let stride: Int
    let padding: Padding
    var bias: UnsafePointer<Float>?
    /// 0: one bias row for all samples; otherwise one row for each.
    var biasStride = 0
    var residual: UnsafePointer<Float>?

    /// The most output pixels of a task, so that its share of the picture fits the cache.
    private static let mostRows = 512
    /// Shorter lines of pixels would leave the kernels' tiles half empty.
    private static let leastLine = 8

    private var channels: Int { inputShape[3] }
    private var width: Int { outputShape[3] }
    private var pixels: Int { outputShape[1] * outputShape[2] }

    /// The picture's patches times the weight, a block of channels at a time.
    func multiply(_ product: WeightProduct) {
        let readsLines =
            Compute.backend == .own && outputShape[2] >= Self.leastLine
            && min(padding.top, padding.left, padding.bottom, padding.right) >= 0
        if readsLines { multiplyLines(product) } else { multiplyPatches(product) }
    }

    /// The patches are read where they overlap, in a copy of the picture with a border: the rows of one tap are pixels of a line.
    private func multiplyLines(_ product: WeightProduct) {
        let weight = product.weight, (lines, line) = (outputShape[1], outputShape[2])
        let (height, span) = ((lines - 1) * stride + weight.kernelHeight, ((line - 1) * stride + weight.kernelWidth) * channels)
        let picture = bordered(height: height, span: span)
        let offsets = (0..<weight.taps).map { $0 / weight.kernelWidth * span + $0 % weight.kernelWidth * channels }
        let grid = ProductGrid(rows: pixels, columns: width, depth: weight.taps * channels, maximumRows: Self.mostRows, unit: line)
        offsets.withUnsafeBufferPointer { offsets in
            grid.run(outputShape[0]) { sample, rows, columns in
                let start = picture.pointer + (sample * height + rows.lowerBound / line * stride) * span
                run(product, sample, rows, columns) { block in
                    LeftOperand(
                        pointer: start + block.lowerBound, stride: stride * channels,
                        lines: LeftOperand.Lines(length: line, stride: stride * span, offsets: offsets))
                }
            }
        }
    }

    /// [N, height, span]: the input with zeros around it.
    private func bordered(height: Int, span: Int) -> Tensor {
        let samples = inputShape[0], left = padding.left * channels
        let copied = max(0, min(inputShape[2] * channels, span - left)), inputSpan = inputShape[2] * channels
        let result = Tensor(uninitialized: [samples, height, span])
        parallelRanges(samples * height, minimum: max(1, 32768 / span)) { range in
            for index in range {
                let target = result.pointer + index * span, y = index % height - padding.top
                guard y >= 0 && y < inputShape[1] else {
                    target.update(repeating: 0, count: span)
                    continue
                }
                target.update(repeating: 0, count: left)
                (target + left).update(from: input + (index / height * inputShape[1] + y) * inputSpan, count: copied)
                (target + left + copied).update(repeating: 0, count: span - left - copied)
            }
        }
        return result
    }

    /// The patches are copied, for small pictures and for libraries.
    private func multiplyPatches(_ product: WeightProduct) {
        let weight = product.weight, taps = weight.taps
        // A task stays in one sample when the samples have biases of their own.
        let separate = biasStride == 0 ? 1 : outputShape[0]
        let count = outputShape[0] / separate * pixels
        let grid = ProductGrid(rows: count, columns: width, depth: taps * channels, maximumRows: Self.mostRows)
        grid.run(separate) { sample, rows, columns in
            run(product, sample, rows, columns) { block in
                let patches = scratch(1, rows.count * taps * block.count)
                pw_patches(
                    input, patches, inputShape[1], inputShape[2], channels, outputShape[1], outputShape[2], weight.kernelHeight,
                    weight.kernelWidth, stride, padding.top, padding.left, sample * pixels + rows.lowerBound, rows.count, block.lowerBound,
                    block.count)
                return LeftOperand(pointer: patches, stride: taps * block.count)
            }
        }
    }

    private func run(
        _ product: WeightProduct, _ sample: Int, _ rows: Range<Int>, _ columns: Range<Int>, left: (Range<Int>) -> LeftOperand
    ) {
        let at = (sample * pixels + rows.lowerBound) * width + columns.lowerBound
        let addends = Addends(bias: bias.map { $0 + sample * biasStride + columns.lowerBound }, residual: residual.map { $0 + at })
        product.run(rows: rows.count, columns: columns, into: output + at, stride: width, adding: addends, left: left)
    }
}
