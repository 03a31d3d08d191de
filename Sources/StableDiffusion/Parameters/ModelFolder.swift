// SPDX-License-Identifier: Apache-2.0
private import Foundation
private import ModelFiles
package import Tensors

/// A Stable Diffusion 1.x or 2.x model in diffusers layout; its parts are read when they are asked for.
package struct ModelFolder: Sendable {
    package let path: String

    /// - Throws: `ModelError` when this is no such folder.
    package init(path: String) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw ModelError(
                .notFound, "\(path): no such model; expected a Stable Diffusion folder in diffusers layout, or the word starter")
        }
        guard isFolder.boolValue else {
            throw ModelError(
                "\(path): is a file; this version reads model folders in diffusers layout (unet, vae, text_encoder, scheduler)")
        }
        self.path = path
        guard FileManager.default.fileExists(atPath: path + "/unet/config.json") else {
            throw ModelError("\(path): has no unet/config.json; expected a Stable Diffusion folder in diffusers layout")
        }
        if FileManager.default.fileExists(atPath: path + "/text_encoder_2") {
            throw ModelError("\(path): has a second text encoder (Stable Diffusion XL); this version supports Stable Diffusion 1 and 2")
        }
    }

    package func noiseSchedule() throws -> NoiseSchedule { try NoiseSchedule(path: path + "/scheduler/scheduler_config.json") }

    package func tokenizer() throws -> CLIPTokenizer { try CLIPTokenizer(folder: path + "/tokenizer") }

    package func textEncoderConfiguration() throws -> TextEncoderConfiguration {
        try TextEncoderConfiguration(path: path + "/text_encoder/config.json")
    }

    package func unetConfiguration() throws -> UNetConfiguration { try UNetConfiguration(path: path + "/unet/config.json") }

    package func autoencoderConfiguration() throws -> AutoencoderConfiguration {
        try AutoencoderConfiguration(path: path + "/vae/config.json")
    }

    /// The side of the pictures that the model was made for, in pixels.
    package func nativeResolution() throws -> Int { try unetConfiguration().sampleSize * autoencoderConfiguration().reduction }

    package func textEncoder() throws -> TextEncoder { try textEncoder(readsValues: true) }

    private func textEncoder(readsValues: Bool) throws -> TextEncoder {
        let parameters = try FileParameters(path: weights("text_encoder", ["model"]), readsValues: readsValues)
        let encoder = try TextEncoder(textEncoderConfiguration(), Parameters(parameters))
        try parameters.refuseUnused { $0.hasSuffix("position_ids") || $0 == "text_projection.weight" }
        return encoder
    }

    /// - Parameter precision: of its products; norms, sums and everything else are f32.
    package func unet(_ precision: ProductPrecision = .f32) throws -> UNet { try unet(readsValues: true, precision) }

    private func unet(readsValues: Bool, _ precision: ProductPrecision) throws -> UNet {
        let configuration = try unetConfiguration()
        let parameters = try FileParameters(path: weights("unet", ["diffusion_pytorch_model"]), readsValues: readsValues)
        let unet = try UNet(configuration, Parameters(parameters, precision: precision))
        try parameters.refuseUnused()
        let width = try textEncoderConfiguration().width
        guard configuration.contextWidth == width else {
            throw ModelError("\(path): the UNet expects prompts of width \(configuration.contextWidth), the text encoder makes \(width)")
        }
        return unet
    }

    package func autoencoderEncoder() throws -> AutoencoderEncoder { try autoencoderEncoder(readsValues: true) }

    private func autoencoderEncoder(readsValues: Bool) throws -> AutoencoderEncoder {
        let parameters = try FileParameters(path: weights("vae", ["diffusion_pytorch_model"]), readsValues: readsValues)
        let encoder = try AutoencoderEncoder(autoencoderConfiguration(), Parameters(parameters))
        try parameters.refuseUnused { $0.hasPrefix("decoder.") || $0.hasPrefix("post_quant_conv.") }
        return encoder
    }

    package func autoencoderDecoder() throws -> AutoencoderDecoder {
        let parameters = try FileParameters(path: weights("vae", ["diffusion_pytorch_model"]))
        let decoder = try AutoencoderDecoder(autoencoderConfiguration(), Parameters(parameters))
        try parameters.refuseUnused { $0.hasPrefix("encoder.") || $0.hasPrefix("quant_conv.") }
        return decoder
    }

    /// Holds the weight files' headers against the configurations: names and shapes of every tensor that training needs.
    ///
    /// No weights are read.
    package func checkWeights() throws {
        _ = try textEncoder(readsValues: false)
        _ = try unet(readsValues: false, .f32)
        _ = try autoencoderEncoder(readsValues: false)
    }

    /// The weight files that every step of training reads; the autoencoder's is not among them.
    package func trainingWeightFiles() throws -> [String] {
        try [weights("text_encoder", ["model"]), weights("unet", ["diffusion_pytorch_model"])]
    }

    package func autoencoderWeightFile() throws -> String { try weights("vae", ["diffusion_pytorch_model"]) }

    /// The weight files that this engine reads, for digests.
    package func weightFiles() throws -> [String] { try trainingWeightFiles() + [autoencoderWeightFile()] }

    /// The safetensors file of a part: full precision first, then the half precision variant.
    private func weights(_ part: String, _ names: [String]) throws -> String {
        let folder = path + "/" + part
        for name in names.flatMap({ [$0 + ".safetensors", $0 + ".fp16.safetensors"] })
        where FileManager.default.fileExists(atPath: folder + "/" + name) { return folder + "/" + name }
        let old = names.flatMap { [$0 + ".bin", "pytorch_" + $0 + ".bin"] }.first {
            FileManager.default.fileExists(atPath: folder + "/" + $0)
        }
        if let old { throw ModelError("\(folder)/\(old): pickled weights are not read; convert the model to safetensors") }
        throw ModelError("\(folder): has no \(names[0]).safetensors; the model is incomplete")
    }
}
