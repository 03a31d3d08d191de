// SPDX-License-Identifier: Apache-2.0
import Tensors

extension OperationCase {
    /// - Parameter scale: the spread of the inputs; 40 reaches where exponentials overflow.
    static func activation(_ kind: Activation, _ shape: [Int], scale: Float = 2) -> OperationCase {
        let count = Double(shape.reduce(1, *))
        return OperationCase(
            "\(kind.rawValue) \(text(shape)) scale \(scale)", inputs: [Input(shape, hasGradient: true, scale: scale)],
            work: (10 * count, 15 * count), reference: { t in References.activation(kind, t[0]) },
            forward: { t in Pass(kind.forward(t[0])) { gradient in [kind.inputGradient(gradient, input: t[0])] } })
    }

    static func gatedGELU(_ shape: [Int]) -> OperationCase {
        let count = Double(shape.reduce(1, *))
        return OperationCase(
            "gated gelu \(text(shape))", inputs: [Input(shape, hasGradient: true, scale: 2)], work: (6 * count, 10 * count),
            reference: { t in References.gatedGELU(t[0]) },
            forward: { t in Pass(GatedGELU.forward(t[0])) { gradient in [GatedGELU.inputGradient(gradient, input: t[0])] } })
    }

    static func upsampling(_ shape: [Int], height: Int, width: Int) -> OperationCase {
        let count = Double(shape[0] * height * width * shape[3])
        return OperationCase(
            "nearest upsampling \(text(shape)) to \(height)x\(width)", inputs: [Input(shape, hasGradient: true)], work: (count, count),
            reference: { t in References.nearestUpsampling(t[0], height: height, width: width) },
            forward: { t in
                Pass(NearestUpsampling.forward(t[0], height: height, width: width)) { gradient in
                    [NearestUpsampling.inputGradient(gradient, inputShape: shape)]
                }
            })
    }

    static func concatenation(_ shape: [Int], _ a: Int, _ b: Int) -> OperationCase {
        let count = Double(shape.reduce(1, *) * (a + b))
        return OperationCase(
            "concatenation \(text(shape)) of \(a) and \(b)",
            inputs: [Input(shape + [a], hasGradient: true), Input(shape + [b], hasGradient: true)], work: (count, count),
            reference: { t in References.concatenation(t[0], t[1]) },
            forward: { t in
                Pass(Concatenation.forward(t[0], t[1])) { gradient in
                    let parts = Concatenation.inputGradients(gradient, firstWidth: a)
                    return [parts.first, parts.second]
                }
            })
    }

    static func addition(_ shape: [Int]) -> OperationCase {
        let count = Double(shape.reduce(1, *))
        return OperationCase(
            "addition \(text(shape))", inputs: [Input(shape, hasGradient: true), Input(shape, hasGradient: true)], work: (count, count),
            reference: { t in PlainTensor(shape: shape, values: zip(t[0].values, t[1].values).map(+)) },
            forward: { t in Pass(Addition.forward(t[0], t[1])) { gradient in [gradient, gradient] } })
    }

    static func embedding(_ indices: [Int], rows: Int, learned: Int, width: Int) -> OperationCase {
        OperationCase(
            "embedding of \(indices.count) indices, \(rows) and \(learned) rows of \(width)",
            inputs: [Input([rows, width]), Input([learned, width], hasGradient: true)],
            work: (Double(indices.count * width), Double(indices.count * width)),
            reference: { t in References.embedding(indices, table: t[0], learned: t[1]) },
            forward: { t in
                let layer = Embedding(table: Weight(t[0]))
                return Pass(layer.forward(indices, learned: t[1])) { gradient in
                    [layer.learnedGradient(gradient, indices: indices, learnedRows: learned)]
                }
            })
    }

    static func squaredError(_ shape: [Int], weighted: Bool = false) -> OperationCase {
        let count = Double(shape.reduce(1, *))
        var item = OperationCase(
            "mean squared error \(text(shape))\(weighted ? " weighted" : "")",
            inputs: [Input(shape, hasGradient: true), Input(shape)] + (weighted ? [Input(shape, offset: 1.5)] : []),
            work: (3 * count, 3 * count),
            reference: { t in References.squaredError(t[0], t[1], weights: weighted ? t[2] : nil) },
            forward: { t in
                let weights = weighted ? t[2] : nil
                let losses = MeanSquaredError.forward(t[0], t[1], weights: weights)
                return Pass(Tensor(losses.map(Float.init), shape: [losses.count])) { gradient in
                    [MeanSquaredError.inputGradient(t[0], t[1], weights: weights, factor: gradient.values[0])]
                }
            })
        item.outputGradient = 0.75
        return item
    }

    static let elementCases: [OperationCase] =
        Activation.allCases.flatMap { kind in
            [activation(kind, [1]), activation(kind, [3, 37]), activation(kind, [2, 100, 401]), activation(kind, [500], scale: 40)]
        } + [
            gatedGELU([1, 2]), gatedGELU([3, 5, 38]), gatedGELU([2, 100, 402]), gatedGELU([1, 4096, 2560]),
            activation(.silu, [1, 64, 64, 320]),
            upsampling([1, 1, 1, 1], height: 1, width: 1), upsampling([2, 3, 4, 5], height: 6, width: 8),
            upsampling([2, 3, 4, 5], height: 5, width: 7), upsampling([1, 1, 3, 2], height: 1, width: 5),
            upsampling([1, 2, 2, 3], height: 5, width: 3), upsampling([1, 5, 7, 3], height: 5, width: 7),
            upsampling([2, 12, 13, 64], height: 24, width: 25), upsampling([1, 32, 32, 640], height: 64, width: 64),
            concatenation([1], 1, 1), concatenation([2, 3, 5], 4, 7), concatenation([2, 20, 21], 33, 64),
            concatenation([1, 64, 64], 320, 320), addition([1]), addition([3, 5, 7]), addition([2, 200, 201]), addition([1, 64, 64, 320]),
            embedding([0], rows: 1, learned: 1, width: 1), embedding([2, 5, 0, 6, 5, 4, 2], rows: 5, learned: 2, width: 7),
            embedding([3, 3, 3], rows: 3, learned: 1, width: 16), embedding([0, 1, 2], rows: 3, learned: 2, width: 4),
            embedding((0..<616).map { $0 * 31 % 204 }, rows: 200, learned: 4, width: 768),
            squaredError([1, 1]), squaredError([3, 5, 7]), squaredError([2, 5, 7, 4], weighted: true), squaredError([2, 1025]),
            squaredError([4, 64, 64, 4]), squaredError([4, 64, 64, 4], weighted: true),
        ]
}
