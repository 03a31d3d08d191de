// SPDX-License-Identifier: Apache-2.0
private import CKernels

/// The mean of (prediction - target)^2 over each sample, optionally weighted element by element.
package enum MeanSquaredError {
    /// One mean for each sample: [N, ...] -> N values.
    package static func forward(_ prediction: Tensor, _ target: Tensor, weights: Tensor? = nil) -> [Double] {
        precondition(prediction.shape == target.shape && (weights.map { $0.shape == target.shape } ?? true))
        let samples = prediction.shape[0], size = prediction.count / max(1, samples)
        return (0..<samples).map { sample in
            let at = sample * size
            return pw_squared_error(prediction.pointer + at, target.pointer + at, weights.map { UnsafePointer($0.pointer + at) }, size)
                / Double(size)
        }
    }

    /// d(sum over samples of factor * mean) / d prediction.
    package static func inputGradient(_ prediction: Tensor, _ target: Tensor, weights: Tensor? = nil, factor: Float = 1) -> Tensor {
        precondition(prediction.shape == target.shape && (weights.map { $0.shape == target.shape } ?? true))
        let size = prediction.count / max(1, prediction.shape[0])
        let result = Tensor(uninitialized: prediction.shape)
        parallelRanges(prediction.count, minimum: 32768) { range in
            let at = range.lowerBound
            pw_squared_error_gradient(
                prediction.pointer + at, target.pointer + at, weights.map { UnsafePointer($0.pointer + at) }, 2 * factor / Float(size),
                result.pointer + at, range.count)
        }
        return result
    }
}
