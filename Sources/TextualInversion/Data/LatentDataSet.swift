// SPDX-License-Identifier: Apache-2.0
private import Crypto
private import Foundation
private import Pictures
package import StableDiffusion
package import Studies
private import Tensors

/// The pictures of a study as latent moments, computed once, with their captions.
package struct LatentDataSet: Sendable {
    package struct Item: Sendable {
        package let file: String
        package let caption: String
        package let moments: LatentMoments
        /// The moments of the picture seen in a mirror; nil when the study never flips.
        package let flipped: LatentMoments?
    }

    package let items: [Item]
    /// [h, w]: latents of every picture.
    package let latentSize: [Int]
    package let scalingFactor: Float
    /// SHA-256 over everything of the pictures that decides results.
    package let digest: String

    /// Reads, resizes, crops and encodes every picture of a folder.
    ///
    /// - Parameters:
    ///   - size: of the pictures in pixels; nil for the model's own size.
    ///   - flips: whether mirrored pictures are needed too.
    ///   - isCancelled: asked before each picture.
    package init(
        folder: String, size: PictureSize?, flips: Bool, model: ModelFolder, isCancelled: () -> Bool = { false }
    ) throws {
        let configuration = try model.autoencoderConfiguration()
        let size = try Self.checked(size, model: model, reduction: configuration.reduction)
        let encoder = try model.autoencoderEncoder()
        var items: [Item] = []
        var hash = SHA256()
        hash.update(data: Data("\(size.width)x\(size.height) flips \(flips)\n".utf8))
        for path in try PictureFolder.list(folder) {
            if isCancelled() { throw InversionError(.cancelled, "stopped while reading pictures") }
            let picture = try Picture(path: path).resizedAndCropped(width: size.width, height: size.height)
            let caption = try Captions.caption(forPicture: path)
            func moments(_ picture: Picture) -> LatentMoments {
                encoder.forward(Tensor(picture.channelsLast(), shape: [1, size.height, size.width, 3]))
            }
            items.append(
                Item(
                    file: path, caption: caption, moments: moments(picture), flipped: flips ? moments(picture.flippedHorizontally()) : nil))
            hash.update(data: Data("\(caption.utf8.count) \(caption)\n".utf8))
            hash.update(data: Data(picture.pixels))
        }
        self.items = items
        latentSize = [size.height / configuration.reduction, size.width / configuration.reduction]
        scalingFactor = configuration.scalingFactor
        digest = hash.finalize().map { String(format: "%02x", $0) }.joined()
    }

    private static func checked(_ size: PictureSize?, model: ModelFolder, reduction: Int) throws -> PictureSize {
        let native = try model.nativeResolution()
        let size = size ?? PictureSize(width: native, height: native)
        for side in [size.width, size.height] where side % reduction != 0 || side < reduction || side > 4096 {
            throw InversionError(
                .input, "data.resolution \(size.width) x \(size.height): this model takes multiples of \(reduction) up to 4096")
        }
        return size
    }
}
