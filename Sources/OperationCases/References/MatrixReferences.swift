// SPDX-License-Identifier: Apache-2.0
import Tensors

/// The operations as their definitions, in double and with plain loops: nothing here is shared with the engine.
enum References {
    /// y[r, o] = sum over i of x[r, i] w[o, i], plus bias[o], plus residual[r, o].
    static func linear(_ x: PlainTensor, weight: PlainTensor, bias: PlainTensor?, residual: PlainTensor?) -> PlainTensor {
        let (outputs, inputs) = (weight.shape[0], weight.shape[1])
        var y = PlainTensor(zeros: x.shape.dropLast() + [outputs])
        for row in 0..<x.rowCount {
            for output in 0..<outputs {
                var sum = (bias?.values[output] ?? 0) + (residual?.values[row * outputs + output] ?? 0)
                for input in 0..<inputs { sum += x.values[row * inputs + input] * weight.values[output * inputs + input] }
                y.values[row * outputs + output] = sum
            }
        }
        return y
    }

    /// y[n, v, u, o] = sum over ky, kx, i of x[n, v s - top + ky, u s - left + kx, i] w[o, ky, kx, i], zero outside the picture.
    static func convolution(
        _ x: PlainTensor, weight: PlainTensor, bias: PlainTensor?, sampleBias: PlainTensor?, residual: PlainTensor?, stride: Int,
        padding: Padding
    ) -> PlainTensor {
        let (samples, height, width, inputs) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        let (outputs, kernelHeight, kernelWidth) = (weight.shape[0], weight.shape[1], weight.shape[2])
        let outHeight = (height + padding.top + padding.bottom - kernelHeight) / stride + 1
        let outWidth = (width + padding.left + padding.right - kernelWidth) / stride + 1
        var y = PlainTensor(zeros: [samples, outHeight, outWidth, outputs])
        for sample in 0..<samples {
            for v in 0..<outHeight {
                for u in 0..<outWidth {
                    for output in 0..<outputs {
                        let place = ((sample * outHeight + v) * outWidth + u) * outputs + output
                        var sum = (bias?.values[output] ?? 0) + (sampleBias?.values[sample * outputs + output] ?? 0)
                        sum += residual?.values[place] ?? 0
                        for ky in 0..<kernelHeight {
                            let row = v * stride - padding.top + ky
                            guard (0..<height).contains(row) else { continue }
                            for kx in 0..<kernelWidth {
                                let column = u * stride - padding.left + kx
                                guard (0..<width).contains(column) else { continue }
                                let from = ((sample * height + row) * width + column) * inputs
                                let tap = ((output * kernelHeight + ky) * kernelWidth + kx) * inputs
                                for input in 0..<inputs { sum += x.values[from + input] * weight.values[tap + input] }
                            }
                        }
                        y.values[place] = sum
                    }
                }
            }
        }
        return y
    }

    /// softmax(Q K^T / sqrt(d)) V for each head, a slice of d channels; causal: a query sees the keys up to its own place.
    static func attention(_ q: PlainTensor, _ k: PlainTensor, _ v: PlainTensor, heads: Int, isCausal: Bool) -> PlainTensor {
        let (samples, queries, keys, channels) = (q.shape[0], q.shape[1], k.shape[1], q.shape[2])
        let depth = channels / heads
        var y = PlainTensor(zeros: q.shape)
        for sample in 0..<samples {
            for head in 0..<heads {
                for query in 0..<queries {
                    let seen = isCausal ? min(keys, query + 1) : keys
                    let at = (sample * queries + query) * channels + head * depth
                    func key(_ index: Int) -> Int { (sample * keys + index) * channels + head * depth }
                    let scores = (0..<seen).map { index in
                        let from = key(index)
                        var sum = 0.0
                        for place in 0..<depth { sum += q.values[at + place] * k.values[from + place] }
                        return sum / Double(depth).squareRoot()
                    }
                    let weights = softmax(scores)
                    for (index, weight) in weights.enumerated() {
                        let from = key(index)
                        for place in 0..<depth { y.values[at + place] += weight * v.values[from + place] }
                    }
                }
            }
        }
        return y
    }
}
