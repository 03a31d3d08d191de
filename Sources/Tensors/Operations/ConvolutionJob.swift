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
    ///
    /// The copy is as a product goes through it, block of channels by block of channels: the pixels of a block lie side by side, which few
    /// cache lines and pages hold. In the picture itself they are a power of two or nearly so apart, and throw each other out.
    private func multiplyLines(_ product: WeightProduct) {
        let weight = product.weight, (lines, line) = (outputShape[1], outputShape[2]), block = product.blockDepth
        let (height, length) = ((lines - 1) * stride + weight.kernelHeight, (line - 1) * stride + weight.kernelWidth)
        let unit = product.isPaired ? 2 : 1
        let picture = bordered(height: height, length: length, block: block, isPaired: product.isPaired)
        func offsets(_ count: Int) -> [Int] {
            (0..<weight.taps).map { ($0 / weight.kernelWidth * length + $0 % weight.kernelWidth) * count / unit }
        }
        let grid = ProductGrid(rows: pixels, columns: width, depth: weight.taps * channels, maximumRows: Self.mostRows, unit: line)
        offsets(block).withUnsafeBufferPointer { whole in
            offsets(channels % block).withUnsafeBufferPointer { last in
                grid.run(outputShape[0]) { sample, rows, columns in
                    let firstLine = sample * height + rows.lowerBound / line * stride
                    run(product, sample, rows, columns) { part in
                        let before = outputShape[0] * height * length * part.lowerBound + firstLine * length * part.count
                        return LeftOperand(
                            pointer: picture.pointer + before / unit, stride: stride * part.count / unit,
                            lines: LeftOperand.Lines(
                                length: line, stride: stride * length * part.count / unit, offsets: part.count == block ? whole : last),
                            isPaired: product.isPaired)
                    }
                }
            }
        }
    }

    /// The input with zeros around it, as f32 or bf16: [N, height, length, block] for each block of channels, the last one may be narrower.
    private func bordered(height: Int, length: Int, block: Int, isPaired: Bool) -> Tensor {
        let samples = inputShape[0], (lines, line) = (inputShape[1], inputShape[2])
        let copied = max(0, min(line, length - padding.left))
        let result = Tensor(uninitialized: [samples * height * length * channels / (isPaired ? 2 : 1)])
        parallelRanges(samples * height, minimum: max(1, 32768 / (length * channels))) { range in
            for index in range {
                let y = index % height - padding.top, source = input + (index / height * lines + y) * line * channels
                let isInside = y >= 0 && y < lines
                for first in Swift.stride(from: 0, to: channels, by: block) {
                    let count = min(block, channels - first), at = (samples * first + index / height * count) * height * length
                    let place = at + index % height * length * count
                    if isPaired {
                        fill(result.halves + place, count) { pw_round_bf16(source + $1 * channels + first, $0, count) }
                    } else {
                        fill(result.pointer + place, count) { $0.update(from: source + $1 * channels + first, count: count) }
                    }
                }
                func fill<Element: Numeric>(
                    _ target: UnsafeMutablePointer<Element>, _ count: Int, _ copy: (UnsafeMutablePointer<Element>, _ x: Int) -> Void
                ) {
                    let (left, inner) = (padding.left * count, isInside ? copied : 0)
                    target.update(repeating: 0, count: left)
                    for x in 0..<inner { copy(target + left + x * count, x) }
                    (target + left + inner * count).update(repeating: 0, count: (length - inner) * count - left)
                }
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
                let length = taps * block.count
                guard product.isPaired else { return LeftOperand(pointer: patches, stride: length) }
                let rounded = scratch(3, rows.count * length / 2)
                pw_round_bf16(patches, rounded.halves, rows.count * length)
                return LeftOperand(pointer: rounded, stride: length / 2, isPaired: true)
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
