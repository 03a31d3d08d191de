// SPDX-License-Identifier: Apache-2.0
private import CKernels

/// Padding of a convolution on each side, in pixels.
///
/// `AutoencoderKL`'s downsampling pads right and bottom only.
package struct Padding: Equatable, Sendable {
    package var top: Int, left: Int, bottom: Int, right: Int

    package init(_ all: Int) { (top, left, bottom, right) = (all, all, all, all) }

    package init(top: Int, left: Int, bottom: Int, right: Int) {
        (self.top, self.left, self.bottom, self.right) = (top, left, bottom, right)
    }
}

/// A two-dimensional convolution as `torch.nn.Conv2d`, channels last, with a frozen weight: only the input gradient exists.
///
/// Forward: rows of patches (in pieces that fit the cache, never the whole picture) times the weight. See `Linear` for the seam.
package struct Convolution: Sendable {
    /// [outputs, kernelHeight, kernelWidth, inputs]: torch's [O, I, kh, kw] with the input channels last.
    package let weight: Tensor
    package let bias: Tensor?
    package let stride: Int
    package let padding: Padding
    private let winograd = WinogradWeights()
    private let packed: PackedConvolution

    package var outputs: Int { weight.shape[0] }
    package var kernelHeight: Int { weight.shape[1] }
    package var kernelWidth: Int { weight.shape[2] }
    package var inputs: Int { weight.shape[3] }
    var patchLength: Int { kernelHeight * kernelWidth * inputs }

    /// - Parameter weight: [outputs, kernelHeight, kernelWidth, inputs].
    package init(weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Padding) {
        precondition(weight.shape.count == 4, "a convolution weight has four dimensions, not \(weight.shape)")
        precondition(stride >= 1)
        self.weight = weight
        self.bias = bias
        self.stride = stride
        self.padding = padding
        packed = PackedConvolution(weight)
    }

    /// The shape [N, H', W', outputs] that an input of shape [N, H, W, inputs] gives.
    package func outputShape(_ input: [Int]) -> [Int] {
        precondition(input.count == 4 && input[3] == inputs, "convolution of \(inputs) channels got \(input)")
        let height = (input[1] + padding.top + padding.bottom - kernelHeight) / stride + 1
        let width = (input[2] + padding.left + padding.right - kernelWidth) / stride + 1
        return [input[0], height, width, outputs]
    }

    var isPointwise: Bool { kernelHeight == 1 && kernelWidth == 1 && stride == 1 && padding == Padding(0) }

    private var asLinear: Linear { Linear(weight: weight.reshaped([outputs, inputs]), bias: bias) }

    /// [N, H, W, inputs] -> [N, H', W', outputs].
    ///
    /// - Parameters:
    ///   - sampleBias: [N, outputs], added to every pixel of its sample (the time embedding of a residual block).
    ///   - residual: a tensor of the output's shape, added for free.
    package func forward(_ input: Tensor, sampleBias: Tensor? = nil, adding residual: Tensor? = nil) -> Tensor {
        if isPointwise && sampleBias == nil { return asLinear.forward(input, adding: residual) }
        let shape = outputShape(input.shape)
        let pixels = shape[1] * shape[2], outputs = outputs, depth = patchLength
        let result = Tensor(uninitialized: shape)
        precondition(residual.map { $0.count == result.count } ?? true, "residual \(residual?.shape ?? []) for \(shape)")
        precondition(sampleBias.map { $0.shape == [shape[0], outputs] } ?? true, "sample bias \(sampleBias?.shape ?? []) for \(shape)")
        let perSample = sampleBias.map { combinedBias($0) }
        if usesWinograd(inputs: inputs, outputShape: shape) {
            let job = Winograd.Job(
                input: input.pointer, output: result.pointer, inputShape: input.shape, outputShape: shape, top: padding.top,
                left: padding.left, bias: (perSample ?? bias).map { UnsafePointer($0.pointer) },
                residual: residual.map { UnsafePointer($0.pointer) }, biasStride: perSample == nil ? 0 : outputs)
            Winograd.run(job, weight: winograd.forward(weight))
            return result
        }
        let direct = DirectConvolution(
            inputShape: input.shape, outputShape: shape, kernel: (kernelHeight, kernelWidth), stride: stride, padding: padding,
            hasBias: (perSample ?? bias) != nil, accumulates: residual != nil)
        if let direct {
            direct.run(
                shape[0], input: input.pointer, output: result.pointer, weights: packed, isGradient: false,
                bias: { sample in (perSample ?? bias).map { UnsafePointer($0.pointer + (perSample == nil ? 0 : sample * outputs)) } },
                residual: residual.map { UnsafePointer($0.pointer) })
            return result
        }
        let (w, y) = (weight.pointer, result.pointer)
        overPatches(of: input.pointer, inputShape: input.shape, outputShape: shape, columns: outputs) { patches, rows, columns in
            var start = rows.lowerBound
            var started = false
            while start < rows.upperBound {
                let end = min(rows.upperBound, (start / pixels + 1) * pixels)
                let rowBias =
                    perSample.map { UnsafePointer($0.pointer + start / pixels * outputs) } ?? bias.map { UnsafePointer($0.pointer) }
                started = prefill(y, rows: start..<end, columns: columns, width: outputs, bias: rowBias, residual: residual?.pointer)
                start = end
            }
            multiply(
                rows.count, columns.count, depth, Operand(patches, stride: depth),
                Operand(transposing: w + columns.lowerBound * depth, stride: depth),
                into: y + rows.lowerBound * outputs + columns.lowerBound, stride: outputs, accumulate: started)
        }
        return result
    }

    /// dL/dx from dL/dy: [N, H', W', outputs] -> [N, H, W, inputs].
    package func inputGradient(_ outputGradient: Tensor, inputShape: [Int]) -> Tensor {
        let shape = outputShape(inputShape)
        precondition(outputGradient.shape == shape, "convolution gradient \(outputGradient.shape) instead of \(shape)")
        if isPointwise { return asLinear.inputGradient(outputGradient) }
        if usesWinograd(inputs: outputs, outputShape: inputShape) {
            let result = Tensor(uninitialized: inputShape)
            let job = Winograd.Job(
                input: outputGradient.pointer, output: result.pointer, inputShape: shape, outputShape: inputShape, top: 2 - padding.top,
                left: 2 - padding.left)
            Winograd.run(job, weight: winograd.turned(weight))
            return result
        }
        return stride == 1
            ? rotatedGradient(outputGradient, inputShape: inputShape) : scatteredGradient(outputGradient, inputShape: inputShape)
    }

    /// Stride 1: the gradient is a convolution of dL/dy with the weight turned by 180 degrees and inputs and outputs exchanged.
    ///
    /// The weight stays as it is: each of its taps is read as a strided [outputs, inputs] matrix.
    private func rotatedGradient(_ outputGradient: Tensor, inputShape: [Int]) -> Tensor {
        let result = Tensor(uninitialized: inputShape)
        let (taps, inputs, outputs, depth) = (kernelHeight * kernelWidth, inputs, outputs, patchLength)
        let (w, dx) = (weight.pointer, result.pointer)
        let turned = Padding(
            top: kernelHeight - 1 - padding.top, left: kernelWidth - 1 - padding.left, bottom: kernelHeight - 1 - padding.bottom,
            right: kernelWidth - 1 - padding.right)
        let direct = DirectConvolution(
            inputShape: outputGradient.shape, outputShape: inputShape, kernel: (kernelHeight, kernelWidth), stride: 1, padding: turned,
            hasBias: false, accumulates: false)
        if let direct {
            direct.run(
                inputShape[0], input: outputGradient.pointer, output: dx, weights: packed, isGradient: true, bias: { _ in nil },
                residual: nil)
            return result
        }
        let gather = PatchGeometry(kernelHeight: kernelHeight, kernelWidth: kernelWidth, channels: outputs, stride: 1, padding: turned)
        gather.forEachPiece(outputGradient.pointer, inputShape: outputGradient.shape, outputShape: inputShape, columns: inputs) {
            patches, rows, columns in
            let target = dx + rows.lowerBound * inputs + columns.lowerBound
            for tap in 0..<taps {
                let turnedTap = (taps - 1 - tap) * inputs + columns.lowerBound
                multiply(
                    rows.count, columns.count, outputs, Operand(patches + tap * outputs, stride: taps * outputs),
                    Operand(w + turnedTap, stride: depth), into: target, stride: inputs, accumulate: tap > 0)
            }
        }
        return result
    }

    /// Any stride: the gradient of every patch, then each input pixel gathers what its patches hold.
    private func scatteredGradient(_ outputGradient: Tensor, inputShape: [Int]) -> Tensor {
        let shape = outputGradient.shape
        let patches = Linear(weight: weight.reshaped([outputs, patchLength])).inputGradient(outputGradient)
        let result = Tensor(uninitialized: inputShape)
        parallelRanges(inputShape[0] * inputShape[1], minimum: 1) { lines in
            for line in lines {
                pw_gather_patches(
                    patches.pointer, result.pointer, inputShape[1], inputShape[2], inputs, shape[1], shape[2], kernelHeight, kernelWidth,
                    stride, padding.top, padding.left, line / inputShape[1], line % inputShape[1])
            }
        }
        return result
    }

    private func usesWinograd(inputs: Int, outputShape: [Int]) -> Bool {
        kernelHeight == 3 && kernelWidth == 3 && stride == 1 && Winograd.pays(outputShape: outputShape, inputs: inputs)
    }

    private func combinedBias(_ sampleBias: Tensor) -> Tensor {
        guard let bias else { return sampleBias }
        let outputs = outputs
        return Tensor(shape: sampleBias.shape) { out in
            for index in out.indices { out[index] = sampleBias.pointer[index] + bias.pointer[index % outputs] }
        }
    }

    private func overPatches(
        of input: UnsafePointer<Float>, inputShape: [Int], outputShape: [Int], columns: Int,
        _ body: (UnsafePointer<Float>, Range<Int>, Range<Int>) -> Void
    ) {
        PatchGeometry(kernelHeight: kernelHeight, kernelWidth: kernelWidth, channels: inputs, stride: stride, padding: padding)
            .forEachPiece(input, inputShape: inputShape, outputShape: outputShape, columns: columns, body)
    }
}

/// Cuts the patch matrix of a convolution into pieces and makes each just before it is used.
struct PatchGeometry {
    let kernelHeight: Int, kernelWidth: Int, channels: Int, stride: Int
    let padding: Padding

    /// At most this many floats of patches at once and thread (8 MB): small enough for the last-level cache.
    private static let pieceLimit = 2 << 20

    /// Calls `body(patches, rows, columns)` for every piece: patches are [rows.count, kh * kw * channels].
    func forEachPiece(
        _ input: UnsafePointer<Float>, inputShape: [Int], outputShape: [Int], columns: Int,
        _ body: (UnsafePointer<Float>, Range<Int>, Range<Int>) -> Void
    ) {
        let rows = outputShape[0] * outputShape[1] * outputShape[2], length = kernelHeight * kernelWidth * channels
        let grid = MatrixGrid(rows: rows, columns: columns, depth: length, maximumRows: max(16, Self.pieceLimit / length))
        func makePatches(_ rows: Range<Int>, _ out: UnsafeMutablePointer<Float>) {
            pw_patches(
                input, out, inputShape[1], inputShape[2], channels, outputShape[1], outputShape[2], kernelHeight, kernelWidth, stride,
                padding.top, padding.left, rows.lowerBound, rows.count)
        }
        if grid.columnPieces == 1 {
            parallel(grid.count) { task in
                let range = grid.rowRange(task)
                guard !range.isEmpty else { return }
                let patches = scratch(0, range.count * length)
                makePatches(range, patches)
                body(patches, range, 0..<columns)
            }
            return
        }
        // Few pixels and many channels: all tasks of a row share the patches.
        let shared = Tensor(uninitialized: [rows, length])
        parallelRanges(rows, minimum: max(1, 16384 / length)) { range in makePatches(range, shared.pointer + range.lowerBound * length) }
        parallel(grid.count) { task in
            let (range, span) = (grid.rowRange(task), grid.columnRange(task))
            if !range.isEmpty && !span.isEmpty { body(shared.pointer + range.lowerBound * length, range, span) }
        }
    }
}
