// SPDX-License-Identifier: Apache-2.0
private import CKernels
private import Glibc

/// Normalises each group of channels to mean zero and variance one, scales and shifts, then applies an activation.
///
/// Matches `torch.nn.GroupNorm` followed by the activation (Wu & He 2018, arXiv 1803.08494). Input and output are [N, ..., C].
package struct GroupNorm: Sendable {
    /// What the input gradient needs: the input and each channel's mean and reciprocal deviation, [N, C].
    package struct Saved: Sendable {
        fileprivate let input: KeptTensor
        let mean: Tensor, reciprocalDeviation: Tensor
    }

    package let weight: Tensor, bias: Tensor
    package let groups: Int
    package let epsilon: Float
    package let activation: Activation
    private let precision: ProductPrecision

    /// - Parameter precision: in bf16 the input is kept rounded for the gradient; the norm itself is f32.
    package init(
        weight: Tensor, bias: Tensor, groups: Int, epsilon: Float, activation: Activation = .none, precision: ProductPrecision = .f32
    ) {
        precondition(weight.count == bias.count && groups > 0 && weight.count % groups == 0, "\(weight.count) channels in \(groups) groups")
        self.weight = weight
        self.bias = bias
        self.groups = groups
        self.epsilon = epsilon
        self.activation = activation
        self.precision = precision
    }

    private var channels: Int { weight.count }

    package func forward(_ input: Tensor) -> Tensor {
        var saved: Saved?
        return forward(input, saving: &saved)
    }

    package func forward(_ input: Tensor, saving saved: inout Saved?) -> Tensor {
        let kept = statistics(of: input)
        saved = kept
        let (scale, shift) = affine(kept)
        let result = Tensor(uninitialized: input.shape)
        overPixels(input) { sample, start, count, _ in
            pw_scale_shift(
                activation.kernel, input.pointer + start * channels, scale.pointer + sample * channels, shift.pointer + sample * channels,
                result.pointer + start * channels, count, channels)
        }
        return result
    }

    /// dL/dx.
    ///
    /// With n = (x - mean) r and g = dL/d(affine output) * weight, over the M elements of a group: dx = r (g - sum(g) / M - n sum(g n)
    /// / M).
    package func inputGradient(_ outputGradient: Tensor, _ saved: Saved) -> Tensor {
        let input = saved.input.tensor, channels = channels
        precondition(outputGradient.shape == input.shape, "group norm gradient \(outputGradient.shape) for \(input.shape)")
        let (scale, shift) = affine(saved)
        let samples = input.shape[0], size = Double(input.count / samples / groups)
        let offset = Tensor(shape: [samples, channels]) { out in
            for i in out.indices { out[i] = -saved.mean.pointer[i] * saved.reciprocalDeviation.pointer[i] }
        }
        let chunks = chunkCount(input)
        var first = [Double](repeating: 0, count: samples * chunks * channels), second = first
        first.withUnsafeMutableBufferPointer { first in
            second.withUnsafeMutableBufferPointer { second in
                // Disjoint chunks are written by the tasks; the arrays stay in place for the whole region.
                nonisolated(unsafe) let (one, two) = (first.baseAddress, second.baseAddress)
                overPixels(input) { sample, start, count, chunk in
                    guard let one, let two else { return }
                    let place = (sample * chunks + chunk) * channels
                    pw_norm_gradient_sums(
                        activation.kernel, input.pointer + start * channels, outputGradient.pointer + start * channels,
                        scale.pointer + sample * channels, shift.pointer + sample * channels,
                        saved.reciprocalDeviation.pointer + sample * channels, offset.pointer + sample * channels, one + place, two + place,
                        count, channels)
                }
            }
        }
        let (p, q, r) = gradientCoefficients(saved, first: first, second: second, chunks: chunks, size: size)
        let result = Tensor(uninitialized: input.shape)
        overPixels(input) { sample, start, count, _ in
            let at = sample * channels
            pw_norm_gradient_apply(
                activation.kernel, input.pointer + start * channels, outputGradient.pointer + start * channels, scale.pointer + at,
                shift.pointer + at, p.pointer + at, q.pointer + at, r.pointer + at, result.pointer + start * channels, count, channels)
        }
        return result
    }

    /// dx = p dz + q x + r with one p, q, r for each sample and channel.
    private func gradientCoefficients(
        _ saved: Saved, first: [Double], second: [Double], chunks: Int, size: Double
    ) -> (p: Tensor, q: Tensor, r: Tensor) {
        let samples = saved.mean.shape[0], perGroup = channels / groups
        var (p, q, r) = ([Float](), [Float](), [Float]())
        for sample in 0..<samples {
            for group in 0..<groups {
                var (sum, dot) = (0.0, 0.0)
                for channel in group * perGroup..<(group + 1) * perGroup {
                    let gamma = Double(weight.pointer[channel])
                    for chunk in 0..<chunks {
                        let place = (sample * chunks + chunk) * channels + channel
                        sum += gamma * first[place]
                        dot += gamma * second[place]
                    }
                }
                for channel in group * perGroup..<(group + 1) * perGroup {
                    let deviation = Double(saved.reciprocalDeviation.pointer[sample * channels + channel])
                    let mean = Double(saved.mean.pointer[sample * channels + channel])
                    p.append(Float(Double(weight.pointer[channel]) * deviation))
                    q.append(Float(-deviation * deviation * dot / size))
                    r.append(Float(deviation * (mean * deviation * dot - sum) / size))
                }
            }
        }
        let shape = [samples, channels]
        return (Tensor(p, shape: shape), Tensor(q, shape: shape), Tensor(r, shape: shape))
    }

    /// y = x scale + shift with one pair for each sample and channel.
    private func affine(_ saved: Saved) -> (scale: Tensor, shift: Tensor) {
        let shape = saved.mean.shape, channels = channels
        let scale = Tensor(shape: shape) { out in
            for i in out.indices { out[i] = weight.pointer[i % channels] * saved.reciprocalDeviation.pointer[i] }
        }
        let shift = Tensor(shape: shape) { out in
            for i in out.indices { out[i] = bias.pointer[i % channels] - saved.mean.pointer[i] * scale.pointer[i] }
        }
        return (scale, shift)
    }

    /// Two passes, sums in double: the mean first, then the squares around it.
    private func statistics(of input: Tensor) -> Saved {
        precondition(input.width == channels, "group norm of \(channels) channels got \(input.shape)")
        let samples = input.shape[0], size = Double(input.count / samples / groups)
        let means = groupAverages(input, size: size) { x, sums, count, _ in pw_channel_sums(x, sums, count, channels) }
        let mean = Tensor(means.map(Float.init), shape: [samples, channels])
        let variances = groupAverages(input, size: size) { x, sums, count, sample in
            pw_channel_squares(x, mean.pointer + sample * channels, sums, count, channels)
        }
        let deviations = variances.map { Float(1 / ($0 + Double(epsilon)).squareRoot()) }
        return Saved(input: KeptTensor(input, precision), mean: mean, reciprocalDeviation: Tensor(deviations, shape: [samples, channels]))
    }

    /// Averages over each group of what `accumulate` sums for each channel, repeated for every channel of the group: [N * C].
    private func groupAverages(
        _ input: Tensor, size: Double, _ accumulate: (UnsafePointer<Float>, UnsafeMutablePointer<Double>, Int, Int) -> Void
    ) -> [Double] {
        let samples = input.shape[0], chunks = chunkCount(input), channels = channels, perGroup = channels / groups
        var sums = [Double](repeating: 0, count: samples * chunks * channels)
        sums.withUnsafeMutableBufferPointer { buffer in
            nonisolated(unsafe) let base = buffer.baseAddress  // disjoint chunks, as above
            overPixels(input) { sample, start, count, chunk in
                guard let base else { return }
                accumulate(input.pointer + start * channels, base + (sample * chunks + chunk) * channels, count, sample)
            }
        }
        var result = [Double](repeating: 0, count: samples * channels)
        for sample in 0..<samples {
            for group in 0..<groups {
                var total = 0.0
                for chunk in 0..<chunks {
                    for channel in group * perGroup..<(group + 1) * perGroup {
                        total += sums[(sample * chunks + chunk) * channels + channel]
                    }
                }
                for channel in group * perGroup..<(group + 1) * perGroup { result[sample * channels + channel] = total / size }
            }
        }
        return result
    }

    private func chunkCount(_ input: Tensor) -> Int { max(1, min(64, input.count / input.shape[0] / 32768)) }

    /// Calls `body(sample, firstPixel, pixelCount, chunk)` on the pool for every chunk of every sample.
    private func overPixels(_ input: Tensor, _ body: (Int, Int, Int, Int) -> Void) {
        let samples = input.shape[0], pixels = input.count / samples / channels, chunks = chunkCount(input)
        func run(_ task: Int) {
            let (sample, chunk) = (task / chunks, task % chunks)
            let start = pixels * chunk / chunks, end = pixels * (chunk + 1) / chunks
            body(sample, sample * pixels + start, end - start, chunk)
        }
        if input.count < 16384 { (0..<samples * chunks).forEach(run) } else { parallel(samples * chunks, run) }
    }
}
