// SPDX-License-Identifier: Apache-2.0
import Tensors

extension OperationCase {
    /// - Parameter sharpness: scales the queries; large values make one key win.
    static func attention(
        samples: Int = 1, queries: Int, keys: Int, heads: Int, depth: Int, causal: Bool = false, sharpness: Float = 1
    ) -> OperationCase {
        let channels = heads * depth
        let product = 2 * Double(samples * queries) * Double(keys * channels)
        let marks = (causal ? " causal" : "") + (sharpness == 1 ? "" : " sharpness \(sharpness)")
        var item = OperationCase(
            "attention \(samples)x\(queries)x\(keys) \(heads) heads of \(depth)\(marks)",
            inputs: [
                Input([samples, queries, channels], hasGradient: true, scale: sharpness),
                Input([samples, keys, channels], hasGradient: true),
                Input([samples, keys, channels], hasGradient: true),
            ], work: (2 * product, 5 * product),
            reference: { t in References.attention(t[0], t[1], t[2], heads: heads, isCausal: causal) },
            forward: { t in
                let layer = Attention(heads: heads, isCausal: causal)
                var saved: Attention.Saved?
                let output = layer.forward(query: t[0], key: t[1], value: t[2], saving: &saved)
                return Pass(output) { gradient in
                    guard let saved else { return [] }
                    let gradients = layer.inputGradients(gradient, saved)
                    return [gradients.query, gradients.key, gradients.value].compactMap(\.self)
                }
            })
        // Scores of size s are off by s rounding units, and so are the probabilities.
        item.tolerance *= Double(max(1, sharpness * sharpness))
        item.gradientTolerance *= Double(max(1, sharpness))
        // The softmax of a single score is one whatever it is.
        if keys == 1 { item.leastGradient = 0.1 }
        return item
    }

    static let attentionCases: [OperationCase] = [
        attention(queries: 1, keys: 1, heads: 1, depth: 1), attention(queries: 1, keys: 5, heads: 1, depth: 3),
        attention(samples: 2, queries: 5, keys: 1, heads: 2, depth: 4), attention(samples: 2, queries: 9, keys: 7, heads: 3, depth: 5),
        attention(samples: 2, queries: 16, keys: 77, heads: 2, depth: 8),
        attention(queries: 77, keys: 77, heads: 3, depth: 8, causal: true),
        attention(samples: 2, queries: 6, keys: 6, heads: 1, depth: 2, causal: true),
        attention(queries: 4, keys: 9, heads: 2, depth: 3, causal: true),
        attention(queries: 9, keys: 4, heads: 2, depth: 3, causal: true),
        attention(queries: 11, keys: 40, heads: 2, depth: 8, sharpness: 30),
        // More than one block of 256 queries and of 512 keys.
        attention(queries: 257, keys: 33, heads: 2, depth: 4), attention(queries: 20, keys: 513, heads: 2, depth: 4),
        attention(samples: 2, queries: 300, keys: 600, heads: 2, depth: 4),
        attention(queries: 600, keys: 600, heads: 1, depth: 4, causal: true),
        attention(queries: 300, keys: 1030, heads: 1, depth: 3), attention(queries: 256, keys: 512, heads: 1, depth: 4, sharpness: 10),
        // Stable Diffusion 1 at 512 pixels: pixels with themselves, with the prompt, the autoencoder, the text encoder.
        attention(queries: 4096, keys: 4096, heads: 8, depth: 40), attention(queries: 4096, keys: 77, heads: 8, depth: 40),
        attention(queries: 1024, keys: 1024, heads: 8, depth: 80), attention(queries: 4096, keys: 4096, heads: 1, depth: 512),
        attention(samples: 8, queries: 77, keys: 77, heads: 12, depth: 64, causal: true),
    ]
}
