// SPDX-License-Identifier: Apache-2.0
private import Glibc
import Tensors

extension References {
    static func softmax(_ scores: [Double]) -> [Double] {
        let top = scores.max() ?? 0, weights = scores.map { exp($0 - top) }
        let sum = weights.reduce(0, +)
        return weights.map { $0 / sum }
    }

    static func activation(_ kind: Activation, _ x: Double) -> Double {
        switch kind {
        case .none: x
        case .silu: x / (1 + exp(-x))
        case .gelu: x * 0.5 * erfc(-x / 2.0.squareRoot())
        case .quickGELU: x / (1 + exp(-1.702 * x))
        }
    }

    static func activation(_ kind: Activation, _ x: PlainTensor) -> PlainTensor {
        PlainTensor(shape: x.shape, values: x.values.map { activation(kind, $0) })
    }

    /// The first half of each row times the gelu of the second.
    static func gatedGELU(_ x: PlainTensor) -> PlainTensor {
        let width = x.width / 2
        var y = PlainTensor(zeros: x.shape.dropLast() + [width])
        for row in 0..<x.rowCount {
            for column in 0..<width {
                y.values[row * width + column] =
                    x.values[row * 2 * width + column] * activation(.gelu, x.values[row * 2 * width + width + column])
            }
        }
        return y
    }

    static func layerNorm(_ x: PlainTensor, weight: PlainTensor, bias: PlainTensor, epsilon: Double) -> PlainTensor {
        let width = x.width
        var y = x
        for row in 0..<x.rowCount {
            let (mean, deviation) = moments((0..<width).map { x.values[row * width + $0] }, epsilon)
            for column in 0..<width {
                let place = row * width + column
                y.values[place] = (x.values[place] - mean) / deviation * weight.values[column] + bias.values[column]
            }
        }
        return y
    }

    static func groupNorm(
        _ x: PlainTensor, weight: PlainTensor, bias: PlainTensor, groups: Int, epsilon: Double, activation kind: Activation
    ) -> PlainTensor {
        let (samples, channels) = (x.shape[0], x.width)
        let pixels = x.values.count / samples / channels, size = channels / groups
        var y = x
        for sample in 0..<samples {
            for group in 0..<groups {
                let places = (0..<pixels).flatMap { pixel in
                    (0..<size).map { (sample * pixels + pixel) * channels + group * size + $0 }
                }
                let (mean, deviation) = moments(places.map { x.values[$0] }, epsilon)
                for place in places {
                    let channel = place % channels
                    y.values[place] = activation(kind, (x.values[place] - mean) / deviation * weight.values[channel] + bias.values[channel])
                }
            }
        }
        return y
    }

    private static func moments(_ values: [Double], _ epsilon: Double) -> (mean: Double, deviation: Double) {
        let mean = values.reduce(0, +) / Double(values.count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
        return (mean, (variance + epsilon).squareRoot())
    }

    /// Pixel (v, u) of the large picture shows pixel (floor(v h / height), floor(u w / width)) of the small one.
    static func nearestUpsampling(_ x: PlainTensor, height: Int, width: Int) -> PlainTensor {
        let (samples, oldHeight, oldWidth, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        var y = PlainTensor(zeros: [samples, height, width, channels])
        for sample in 0..<samples {
            for v in 0..<height {
                for u in 0..<width {
                    let row = Int((Double(v) * Double(oldHeight) / Double(height)).rounded(.down))
                    let column = Int((Double(u) * Double(oldWidth) / Double(width)).rounded(.down))
                    for channel in 0..<channels {
                        y.values[((sample * height + v) * width + u) * channels + channel] =
                            x.values[((sample * oldHeight + row) * oldWidth + column) * channels + channel]
                    }
                }
            }
        }
        return y
    }

    static func concatenation(_ a: PlainTensor, _ b: PlainTensor) -> PlainTensor {
        var values: [Double] = []
        for row in 0..<a.rowCount {
            values += a.values[row * a.width..<(row + 1) * a.width]
            values += b.values[row * b.width..<(row + 1) * b.width]
        }
        return PlainTensor(shape: a.shape.dropLast() + [a.width + b.width], values: values)
    }

    static func embedding(_ indices: [Int], table: PlainTensor, learned: PlainTensor) -> PlainTensor {
        let width = table.width, rows = table.values + learned.values
        return PlainTensor(shape: [indices.count, width], values: indices.flatMap { rows[$0 * width..<($0 + 1) * width] })
    }

    /// The mean over each sample.
    static func squaredError(_ prediction: PlainTensor, _ target: PlainTensor, weights: PlainTensor?) -> PlainTensor {
        let samples = prediction.shape[0], size = prediction.values.count / samples
        return PlainTensor(
            shape: [samples],
            values: (0..<samples).map { sample in
                (sample * size..<(sample + 1) * size).reduce(0.0) { sum, place in
                    let difference = prediction.values[place] - target.values[place]
                    return sum + (weights?.values[place] ?? 1) * difference * difference
                } / Double(size)
            })
    }
}
