// SPDX-License-Identifier: Apache-2.0
package import StableDiffusion

/// What training reads of a model folder, in memory: trials of one model share it.
package struct LoadedModel: Sendable {
    package let model: InversionModel
    package let encoder: PromptEncoder
    /// As `ModelDigest` computes it.
    package let digest: String

    /// Reads text encoder, UNet and tokenizer, not the autoencoder.
    ///
    /// - Parameter digest: when it is known already; nil: it is computed from the model's files.
    package init(_ folder: ModelFolder, digest: String? = nil) throws {
        model = try InversionModel(folder)
        encoder = try PromptEncoder(tokenizer: folder.tokenizer(), configuration: model.textEncoder.configuration)
        self.digest = try digest ?? ModelDigest.digest(of: folder)
    }
}
