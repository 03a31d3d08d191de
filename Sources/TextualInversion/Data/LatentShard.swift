// SPDX-License-Identifier: Apache-2.0
package import StableDiffusion
package import Studies
import Tensors

/// The latent moments of some pictures of a study: computed once, by anybody, and then as good as the pictures.
///
/// Its bytes depend on the pictures, their names and captions, the size and the model, not on folders or times.
package struct LatentShard: Sendable {
    /// Of the pictures that were encoded, in pixels.
    package let size: PictureSize
    /// [h, w]: latents of every picture.
    package let latentSize: [Int]
    package let scalingFactor: Float
    package let items: [LatentDataSet.Item]
    package var flips: Bool { items.contains { $0.flipped != nil } }

    init(size: PictureSize, latentSize: [Int], scalingFactor: Float, items: [LatentDataSet.Item]) {
        self.size = size
        self.latentSize = latentSize
        self.scalingFactor = scalingFactor
        self.items = items
    }

    /// Reads, resizes, crops and encodes pictures.
    ///
    /// - Parameters:
    ///   - pictures: paths, in the order that `PictureFolder.list` gives them.
    ///   - isCancelled: asked before each picture.
    package static func encode(
        pictures: [String], with encoder: LatentEncoder, isCancelled: () -> Bool = { false }
    ) throws -> LatentShard {
        let items = try pictures.map { path in
            if isCancelled() { throw InversionError(.cancelled, "stopped while reading pictures") }
            return try encoder.item(path)
        }
        return LatentShard(
            size: encoder.size, latentSize: [encoder.size.height / encoder.reduction, encoder.size.width / encoder.reduction],
            scalingFactor: encoder.scalingFactor, items: items)
    }

    /// The same with a model's autoencoder read for this once.
    package static func encode(
        pictures: [String], size: PictureSize?, flips: Bool, model: ModelFolder, isCancelled: () -> Bool = { false }
    ) throws -> LatentShard {
        try encode(pictures: pictures, with: LatentEncoder(model, size: size, flips: flips), isCancelled: isCancelled)
    }
}
