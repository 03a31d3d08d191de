// SPDX-License-Identifier: Apache-2.0
private import Crypto
private import ModelFiles
private import Pictures
package import StableDiffusion
package import Studies
private import Tensors

/// Turns pictures into latent moments with a model's autoencoder.
package struct LatentEncoder: Sendable {
    package let size: PictureSize
    package let flips: Bool
    let scalingFactor: Float
    /// Pixels for each latent, in each direction.
    let reduction: Int
    private let encoder: AutoencoderEncoder
    private let files: FileWatch

    /// - Parameters:
    ///   - size: of the pictures in pixels; nil for the model's own size.
    ///   - flips: whether mirrored pictures are needed too.
    package init(_ model: ModelFolder, size: PictureSize?, flips: Bool) throws {
        let configuration = try model.autoencoderConfiguration()
        reduction = configuration.reduction
        scalingFactor = configuration.scalingFactor
        self.size = try Self.checked(size, model: model, reduction: configuration.reduction)
        self.flips = flips
        files = try FileWatch([model.autoencoderWeightFile()])
        encoder = try model.autoencoderEncoder()
    }

    /// Reads, resizes, crops and encodes one picture.
    ///
    /// - Throws: also `ModelFileError` when the autoencoder's file was written in place meanwhile.
    func item(_ path: String) throws -> LatentDataSet.Item {
        let picture = try Picture(path: path).resizedAndCropped(width: size.width, height: size.height)
        func moments(_ picture: Picture) -> LatentMoments {
            encoder.forward(Tensor(picture.channelsLast(), shape: [1, size.height, size.width, 3]))
        }
        let item = LatentDataSet.Item(
            file: path, caption: try Captions.caption(forPicture: path), moments: moments(picture),
            flipped: flips ? moments(picture.flippedHorizontally()) : nil, pixels: Array(SHA256.hash(data: picture.pixels)))
        try files.check()
        return item
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
