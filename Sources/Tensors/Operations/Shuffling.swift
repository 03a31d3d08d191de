// SPDX-License-Identifier: Apache-2.0
private import CKernels

/// Enlarges by repeating pixels, as `torch.nn.functional.interpolate(mode: "nearest")`: pixel i of n shows pixel floor(i * old / n).
///
/// A UNet whose latents do not halve evenly grows to the size of the skip connection it meets, not always to the double.
package enum NearestUpsampling {
    /// [N, H, W, C] -> [N, height, width, C].
    package static func forward(_ input: Tensor, height: Int, width: Int) -> Tensor {
        let (samples, oldHeight, oldWidth, channels) = (input.shape[0], input.shape[1], input.shape[2], input.shape[3])
        let result = Tensor(uninitialized: [samples, height, width, channels])
        parallelRanges(samples * height, minimum: max(1, 8192 / (width * channels))) { lines in
            for line in lines {
                let source = input.pointer + (line / height * oldHeight + line % height * oldHeight / height) * oldWidth * channels
                let target = result.pointer + line * width * channels
                for x in 0..<width { (target + x * channels).update(from: source + x * oldWidth / width * channels, count: channels) }
            }
        }
        return result
    }

    /// dL/dx [N, H, W, C] from dL/dy: each pixel gathers its copies.
    package static func inputGradient(_ outputGradient: Tensor, inputShape: [Int]) -> Tensor {
        let (height, width) = (outputGradient.shape[1], outputGradient.shape[2])
        let (samples, oldHeight, oldWidth, channels) = (inputShape[0], inputShape[1], inputShape[2], inputShape[3])
        let result = Tensor(uninitialized: inputShape)
        parallelRanges(samples * oldHeight, minimum: max(1, 8192 / (width * channels))) { lines in
            for line in lines {
                let target = result.pointer + line * oldWidth * channels
                target.update(repeating: 0, count: oldWidth * channels)
                for y in copies(of: line % oldHeight, old: oldHeight, new: height) {
                    let source = outputGradient.pointer + (line / oldHeight * height + y) * width * channels
                    for x in 0..<width { pw_add_into(source + x * channels, target + x * oldWidth / width * channels, channels) }
                }
            }
        }
        return result
    }

    /// The places i of `new` with floor(i * old / new) == index.
    private static func copies(of index: Int, old: Int, new: Int) -> Range<Int> {
        (index * new + old - 1) / old..<((index + 1) * new + old - 1) / old
    }
}

/// Joins two tensors along the channels.
package enum Concatenation {
    /// [..., A], [..., B] -> [..., A + B].
    package static func forward(_ first: Tensor, _ second: Tensor) -> Tensor {
        precondition(first.shape.dropLast() == second.shape.dropLast(), "cannot join \(first.shape) and \(second.shape)")
        let (a, b) = (first.width, second.width)
        let result = Tensor(uninitialized: first.shape.dropLast() + [a + b])
        parallelRanges(first.rowCount, minimum: max(1, 8192 / (a + b))) { rows in
            for row in rows {
                (result.pointer + row * (a + b)).update(from: first.pointer + row * a, count: a)
                (result.pointer + row * (a + b) + a).update(from: second.pointer + row * b, count: b)
            }
        }
        return result
    }

    /// The gradients of both parts: [..., A + B] -> [..., A], [..., B].
    package static func inputGradients(_ outputGradient: Tensor, firstWidth a: Int) -> (first: Tensor, second: Tensor) {
        let b = outputGradient.width - a
        precondition(a >= 0 && b >= 0)
        let first = Tensor(uninitialized: outputGradient.shape.dropLast() + [a])
        let second = Tensor(uninitialized: outputGradient.shape.dropLast() + [b])
        parallelRanges(outputGradient.rowCount, minimum: max(1, 8192 / (a + b))) { rows in
            for row in rows {
                (first.pointer + row * a).update(from: outputGradient.pointer + row * (a + b), count: a)
                (second.pointer + row * b).update(from: outputGradient.pointer + row * (a + b) + a, count: b)
            }
        }
        return (first, second)
    }
}

/// Element-wise sums.
package enum Addition {
    /// The sum of tensors of one shape, in their order; nil for none.
    package static func all(_ tensors: [Tensor]) -> Tensor? {
        guard let first = tensors.first else { return nil }
        return tensors.dropFirst().reduce(first) { forward($0, $1) }
    }

    package static func forward(_ a: Tensor, _ b: Tensor) -> Tensor {
        precondition(a.count == b.count, "cannot add \(a.shape) and \(b.shape)")
        let result = Tensor(uninitialized: a.shape)
        parallelRanges(a.count, minimum: 32768) { range in
            pw_add(a.pointer + range.lowerBound, b.pointer + range.lowerBound, result.pointer + range.lowerBound, range.count)
        }
        return result
    }
}
