// SPDX-License-Identifier: Apache-2.0
import Tensors

extension OperationCase {
    enum Extra: String, CaseIterable { case bias, sampleBias = "sample bias", residual }

    static func convolution(
        _ shape: [Int], to outputs: Int, kernel: (Int, Int) = (3, 3), stride: Int = 1, padding: Padding = Padding(1),
        with extras: Set<Extra> = [.bias]
    ) -> OperationCase {
        let inputs = shape[3], weight = [outputs, kernel.0, kernel.1, inputs]
        let outShape = Convolution(weight: Weight(Tensor(placeholder: weight)), stride: stride, padding: padding).outputShape(shape)
        let depth = kernel.0 * kernel.1 * inputs
        let flops = 2.0 * Double(outShape.reduce(1, *)) * Double(depth)
        let sides = [padding.top, padding.left, padding.bottom, padding.right].map(String.init).joined()
        let marks = Extra.allCases.filter(extras.contains)
        func slot(_ extra: Extra) -> Input {
            switch extra {
            case .bias: Input([outputs])
            case .sampleBias: Input([shape[0], outputs])
            case .residual: Input(outShape)
            }
        }
        func index(_ extra: Extra) -> Int? { marks.firstIndex(of: extra).map { $0 + 2 } }
        let (bias, sampleBias, residual) = (index(.bias), index(.sampleBias), index(.residual))
        return OperationCase(
            "convolution \(text(shape)) to \(outputs) kernel \(kernel.0)x\(kernel.1) stride \(stride) padding \(sides)"
                + marks.map { " " + $0.rawValue }.joined(),
            inputs: [Input(shape, hasGradient: true), Input(weight, scale: 1 / Float(depth).squareRoot())] + marks.map(slot),
            work: (flops, flops),
            reference: { t in
                References.convolution(
                    t[0], weight: t[1], bias: bias.map { t[$0] }, sampleBias: sampleBias.map { t[$0] }, residual: residual.map { t[$0] },
                    stride: stride, padding: padding)
            },
            forward: { t in
                let layer = Convolution(weight: Weight(t[1]), bias: bias.map { t[$0] }, stride: stride, padding: padding)
                return Pass(layer.forward(t[0], sampleBias: sampleBias.map { t[$0] }, adding: residual.map { t[$0] })) { gradient in
                    [layer.inputGradient(gradient, inputShape: shape)]
                }
            })
    }

    /// Winograd's algorithm rounds about twice as much as a direct convolution.
    private static func winograd(
        _ shape: [Int], to outputs: Int, padding: Padding = Padding(1), with extras: Set<Extra> = [.bias]
    ) -> OperationCase {
        var item = convolution(shape, to: outputs, padding: padding, with: extras)
        item.tolerance = 2e-11
        item.gradientTolerance = 1e-5
        return item
    }

    /// oneDNN's simpler kernels add thousands of products one after the other.
    private static func deep(_ shape: [Int], to outputs: Int) -> OperationCase {
        var item = convolution(shape, to: outputs)
        item.tolerance = 5e-12
        return item
    }

    private static let rightBottom = Padding(top: 0, left: 0, bottom: 1, right: 1)

    static let convolutionCases: [OperationCase] = [
        convolution([1, 1, 1, 1], to: 1), convolution([1, 1, 1, 3], to: 5, with: []), convolution([1, 2, 3, 1], to: 2),
        convolution([2, 5, 7, 3], to: 4, with: [.bias, .residual]), convolution([3, 4, 5, 2], to: 17, with: [.sampleBias]),
        convolution([2, 6, 5, 9], to: 8, with: [.bias, .sampleBias, .residual]), convolution([2, 1, 9, 4], to: 3, with: [.residual]),
        convolution([2, 5, 7, 6], to: 5, kernel: (1, 1), padding: Padding(0), with: [.bias, .residual]),
        convolution([2, 5, 7, 6], to: 5, kernel: (1, 1), padding: Padding(0), with: [.bias, .sampleBias]),
        convolution([1, 5, 6, 3], to: 4, kernel: (1, 1), stride: 2, padding: Padding(0)),
        convolution([1, 6, 6, 3], to: 4, kernel: (2, 3), padding: Padding(0)),
        convolution([1, 5, 4, 3], to: 4, kernel: (1, 1), padding: Padding(1)), convolution([1, 4, 5, 3], to: 4, padding: Padding(3)),
        // Downsampling of the UNet (symmetric) and of the autoencoder (right and bottom).
        convolution([2, 8, 6, 3], to: 5, stride: 2), convolution([2, 7, 5, 3], to: 5, stride: 2, with: []),
        convolution([1, 1, 1, 2], to: 3, stride: 2), convolution([2, 8, 6, 3], to: 5, stride: 2, padding: rightBottom),
        convolution([2, 7, 5, 3], to: 5, stride: 2, padding: rightBottom), convolution([1, 9, 10, 2], to: 3, stride: 3),
        // Several tasks: along pixels, along channels with shared patches, in pieces of the cache, across samples.
        convolution([1, 16, 16, 16], to: 32), convolution([2, 17, 15, 24], to: 33, with: [.bias, .sampleBias, .residual]),
        convolution([1, 3, 4, 128], to: 128, with: [.bias, .residual]), convolution([2, 4, 4, 96], to: 100, stride: 2),
        deep([1, 32, 32, 512], to: 4), convolution([3, 20, 20, 16], to: 20, stride: 2, padding: rightBottom, with: [.residual]),
        convolution([1, 9, 11, 256], to: 48, with: [.sampleBias]),
        // Large enough for Winograd, even and odd, with one and with several chunks.
        winograd([1, 32, 32, 32], to: 48, with: [.bias, .residual]), winograd([2, 21, 30, 48], to: 32, with: [.bias, .sampleBias]),
        winograd([1, 30, 27, 32], to: 32, padding: Padding(2), with: []), winograd([1, 57, 58, 32], to: 32, padding: Padding(0)),
        winograd([1, 130, 126, 48], to: 32, with: [.residual]), winograd([3, 16, 14, 64], to: 96, with: [.bias, .sampleBias, .residual]),
        // Stable Diffusion 1 at 512 pixels.
        convolution([1, 64, 64, 320], to: 320, with: [.bias, .sampleBias]),
        convolution([1, 32, 32, 640], to: 640, with: [.bias, .residual]),
        convolution([1, 16, 16, 1280], to: 1280), convolution([1, 8, 8, 1280], to: 1280, with: [.bias, .sampleBias]),
        convolution([1, 64, 64, 320], to: 320, stride: 2), convolution([1, 64, 64, 960], to: 320),
        convolution([1, 128, 128, 128], to: 128),
    ]
}
