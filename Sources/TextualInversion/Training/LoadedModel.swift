// SPDX-License-Identifier: Apache-2.0
private import ModelFiles
package import StableDiffusion
package import Tensors

/// What training reads of a model folder, in memory: trials of one model share it.
package struct LoadedModel: Sendable {
    package let model: InversionModel
    package let encoder: PromptEncoder
    package let precision: ProductPrecision
    /// As `ModelDigest` computes it.
    package let digest: String
    private let files: FileWatch

    /// Reads text encoder, UNet and tokenizer, not the autoencoder.
    ///
    /// - Parameter digest: when it is known already; nil: it is computed from the model's files.
    package init(_ folder: ModelFolder, _ precision: ProductPrecision = .f32, digest: String? = nil) throws {
        files = try FileWatch(folder.trainingWeightFiles())
        self.precision = precision
        model = try InversionModel(folder, precision)
        encoder = try PromptEncoder(tokenizer: folder.tokenizer(), configuration: model.textEncoder.configuration)
        self.digest = try digest ?? ModelDigest.digest(of: folder)
    }

    /// The weights are read where they lie in their files: refuses what was computed if one of these was written meanwhile.
    ///
    /// - Throws: `ModelFileError`.
    package func checkFiles() throws { try files.check() }
}
