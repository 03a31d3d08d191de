// SPDX-License-Identifier: Apache-2.0
private import Crypto
private import Foundation
private import Pictures
package import StableDiffusion
package import Studies

/// The pictures of a study as latent moments, computed once, with their captions.
package struct LatentDataSet: Sendable {
    package struct Item: Sendable {
        /// The picture's path, or its name when it was encoded elsewhere.
        package let file: String
        package let caption: String
        package let moments: LatentMoments
        /// The moments of the picture seen in a mirror; nil when the study never flips.
        package let flipped: LatentMoments?
        /// SHA-256 of the pixels that were encoded, 32 bytes.
        package let pixels: [UInt8]
    }

    package let items: [Item]
    /// [h, w]: latents of every picture.
    package let latentSize: [Int]
    package let scalingFactor: Float
    /// SHA-256 over everything of the pictures that decides results.
    package let digest: String
    /// Of the pictures that were encoded, in pixels.
    package let size: PictureSize

    /// Reads, resizes, crops and encodes every picture of a folder.
    ///
    /// - Parameters:
    ///   - size: of the pictures in pixels; nil for the model's own size.
    ///   - flips: whether mirrored pictures are needed too.
    ///   - isCancelled: asked before each picture.
    package init(
        folder: String, size: PictureSize?, flips: Bool, model: ModelFolder, isCancelled: () -> Bool = { false }
    ) throws {
        let encoder = try LatentEncoder(model, size: size, flips: flips)
        let shard = try LatentShard.encode(pictures: PictureFolder.list(folder), with: encoder, isCancelled: isCancelled)
        self.init([shard], items: shard.items, flips: flips)
    }

    /// Puts together what was encoded elsewhere.
    ///
    /// - Parameters:
    ///   - shards: all parts in the order of the pictures.
    ///   - flips: whether mirrored pictures are needed; shards that have them without need give the same data set.
    /// - Throws: `InversionError` when the shards do not belong together.
    package init(shards: [LatentShard], flips: Bool) throws {
        guard let first = shards.first else { throw InversionError(.input, "no latents: the list of shards is empty") }
        for shard in shards
        where shard.size != first.size || shard.latentSize != first.latentSize || shard.scalingFactor != first.scalingFactor {
            throw InversionError(.input, "the shards of latents do not belong together: they come from other sizes or models")
        }
        let items = shards.flatMap(\.items)
        if flips, let item = items.first(where: { $0.flipped == nil }) {
            throw InversionError(.input, "\(item.file): its latents lack the mirrored picture that the study needs")
        }
        self.init(
            shards,
            items: flips
                ? items : items.map { Item(file: $0.file, caption: $0.caption, moments: $0.moments, flipped: nil, pixels: $0.pixels) },
            flips: flips)
    }

    private init(_ shards: [LatentShard], items: [Item], flips: Bool) {
        self.items = items
        size = shards[0].size
        latentSize = shards[0].latentSize
        scalingFactor = shards[0].scalingFactor
        // Pixels count by their own digest, so that latents encoded elsewhere give the same value without them.
        var hash = SHA256()
        hash.update(data: Data("\(size.width)x\(size.height) flips \(flips)\n".utf8))
        for item in items {
            hash.update(data: Data("\(item.caption.utf8.count) \(item.caption)\n".utf8))
            hash.update(data: Data(item.pixels))
        }
        digest = hash.finalize().map { String(format: "%02x", $0) }.joined()
    }

    /// The pictures of each shard: a part of the list that is worth a lease.
    package static func parts(_ pictureCount: Int) -> [Range<Int>] {
        stride(from: 0, to: pictureCount, by: 16).map { $0..<min(pictureCount, $0 + 16) }
    }

    var captions: [(file: String, caption: String)] { items.map { ($0.file, $0.caption) } }

    /// Refuses latents of another size than the study's.
    func check(fits study: Study, model: InversionModel) throws {
        let side = model.unet.configuration.sampleSize
        let isRight = study.data.resolution.map { $0 == size } ?? (latentSize == [side, side])
        guard isRight else {
            throw InversionError(.input, "the latents are of pictures of \(size.width) x \(size.height), which is not the study's size")
        }
    }
}
