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
/// The first of these ways that fits: a product of matrices for 1x1 kernels, Winograd's algorithm, oneDNN, or patches times the weight,
/// read where they overlap or copied in blocks that fit the cache.
package struct Convolution: Sendable {
    package let weight: Weight
    package let bias: Tensor?
    package let stride: Int
    package let padding: Padding
    private let precision: ProductPrecision
    private let winograd: WinogradWeight
    private let packed: PackedConvolution
    private let panels: KeptPanels
    /// The same as a linear layer over channels; only for 1x1 kernels.
    private let asLinear: Linear?

    package var outputs: Int { weight.outputs }
    package var kernelHeight: Int { weight.kernelHeight }
    package var kernelWidth: Int { weight.kernelWidth }
    package var inputs: Int { weight.inputs }

    package init(weight: Weight, bias: Tensor? = nil, stride: Int = 1, padding: Padding, precision: ProductPrecision = .f32) {
        precondition(stride >= 1)
        precondition(bias.map { $0.shape == [weight.outputs] } ?? true, "bias \(bias?.shape ?? []) for \(weight.outputs) outputs")
        self.weight = weight
        self.bias = bias
        self.stride = stride
        self.padding = padding
        self.precision = precision
        winograd = WinogradWeight(weight)
        packed = PackedConvolution(weight)
        panels = KeptPanels(weight, precision)
        asLinear = weight.taps == 1 && stride == 1 && padding == Padding(0) ? Linear(weight: weight, bias: bias, precision: precision) : nil
    }

    /// The shape [N, H', W', outputs] that an input of shape [N, H, W, inputs] gives.
    package func outputShape(_ input: [Int]) -> [Int] {
        precondition(input.count == 4 && input[3] == inputs, "convolution of \(inputs) channels got \(input)")
        let height = (input[1] + padding.top + padding.bottom - kernelHeight) / stride + 1
        let width = (input[2] + padding.left + padding.right - kernelWidth) / stride + 1
        return [input[0], height, width, outputs]
    }

    /// [N, H, W, inputs] -> [N, H', W', outputs].
    ///
    /// - Parameters:
    ///   - sampleBias: [N, outputs], added to every pixel of its sample (the time embedding of a residual block).
    ///   - residual: a tensor of the output's shape, added for free.
    package func forward(_ input: Tensor, sampleBias: Tensor? = nil, adding residual: Tensor? = nil) -> Tensor {
        if let asLinear, sampleBias == nil { return asLinear.forward(input, adding: residual) }
        let shape = outputShape(input.shape)
        let result = Tensor(uninitialized: shape)
        precondition(residual.map { $0.count == result.count } ?? true, "residual \(residual?.shape ?? []) for \(shape)")
        precondition(sampleBias.map { $0.shape == [shape[0], outputs] } ?? true, "sample bias \(sampleBias?.shape ?? []) for \(shape)")
        let perSample = sampleBias.map { combinedBias($0) }
        let job = ConvolutionJob(
            input: input.pointer, output: result.pointer, inputShape: input.shape, outputShape: shape, stride: stride, padding: padding,
            bias: (perSample ?? bias).map { UnsafePointer($0.pointer) }, biasStride: perSample == nil ? 0 : outputs,
            residual: residual.map { UnsafePointer($0.pointer) })
        if usesWinograd(inputs: inputs, outputShape: shape) {
            Winograd.run(job, winograd, .forward)
        } else if let direct = DirectConvolution(job, kernel: (kernelHeight, kernelWidth)) {
            direct.run(job, weights: packed, isGradient: false)
        } else {
            job.multiply(panels.product(.forward))
        }
        return result
    }

    /// dL/dx from dL/dy: [N, H', W', outputs] -> [N, H, W, inputs].
    ///
    /// With stride 1 it is a convolution of dL/dy with the weight turned by 180 degrees and inputs and outputs exchanged.
    package func inputGradient(_ outputGradient: Tensor, inputShape: [Int]) -> Tensor {
        let shape = outputShape(inputShape)
        precondition(outputGradient.shape == shape, "convolution gradient \(outputGradient.shape) instead of \(shape)")
        if let asLinear { return asLinear.inputGradient(outputGradient) }
        guard stride == 1 else { return scatteredGradient(outputGradient, inputShape: inputShape) }
        let result = Tensor(uninitialized: inputShape)
        let turned = Padding(
            top: kernelHeight - 1 - padding.top, left: kernelWidth - 1 - padding.left, bottom: kernelHeight - 1 - padding.bottom,
            right: kernelWidth - 1 - padding.right)
        let job = ConvolutionJob(
            input: outputGradient.pointer, output: result.pointer, inputShape: shape, outputShape: inputShape, stride: 1, padding: turned)
        if usesWinograd(inputs: outputs, outputShape: inputShape) {
            Winograd.run(job, winograd, .turned)
        } else if let direct = DirectConvolution(job, kernel: (kernelHeight, kernelWidth)) {
            direct.run(job, weights: packed, isGradient: true)
        } else {
            job.multiply(panels.product(.turned))
        }
        return result
    }

    /// Any stride: the gradient of every patch, tap by tap, then each input pixel gathers what its patches hold.
    private func scatteredGradient(_ outputGradient: Tensor, inputShape: [Int]) -> Tensor {
        let shape = outputGradient.shape, pixels = shape[0] * shape[1] * shape[2], length = weight.taps * inputs
        let patches = Tensor(uninitialized: [pixels, length])
        let (dy, inputs, outputs) = (outputGradient.pointer, inputs, outputs)
        ProductGrid(rows: pixels, columns: inputs, depth: weight.taps * outputs).run { _, rows, columns in
            for tap in 0..<weight.taps {
                panels.product(.tap(tap)).run(
                    rows: rows.count, columns: columns,
                    into: patches.pointer + rows.lowerBound * length + tap * inputs + columns.lowerBound, stride: length, adding: Addends()
                ) { LeftOperand(pointer: dy + rows.lowerBound * outputs + $0.lowerBound, stride: outputs) }
            }
        }
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
        kernelHeight == 3 && kernelWidth == 3 && stride == 1 && Winograd.pays(outputShape: outputShape, inputs: inputs, precision)
    }

    private func combinedBias(_ sampleBias: Tensor) -> Tensor {
        guard let bias else { return sampleBias }
        let outputs = outputs
        return Tensor(shape: sampleBias.shape) { out in
            for index in out.indices { out[index] = sampleBias.pointer[index] + bias.pointer[index % outputs] }
        }
    }
}
