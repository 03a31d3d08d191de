private import Pictures
// SPDX-License-Identifier: Apache-2.0
package import StableDiffusion
package import Studies
private import Tensors

/// Renders a study's preview from the vectors of any of its steps.
///
/// The noise is the same for all steps and trials, so that pictures can be compared.
package struct Preview: Sendable {
    private let study: Study
    private let prompt: String
    private let generator: PictureGenerator

    /// Reads the autoencoder's decoder; text encoder and UNet are those in memory.
    ///
    /// - Throws: `InversionError` when the study asks for no preview.
    package init(study: Study, model: LoadedModel, folder: ModelFolder) throws {
        guard let preview = study.preview else { throw InversionError(.input, "the study asks for no preview") }
        self.study = study
        prompt = preview.prompt
        generator = try PictureGenerator(model, folder: folder)
    }

    /// The preview of a session's study.
    package init(_ session: InversionSession, folder: ModelFolder) throws {
        try self.init(study: session.study, model: session.loaded, folder: folder)
    }

    /// A PNG file: the same bytes for the same vectors.
    ///
    /// - Parameter vectors: [rows * width].
    package func render(_ vectors: [Float]) throws -> [UInt8] {
        let rows = study.pseudoword.vectors
        guard vectors.count == rows * generator.width else {
            throw InversionError(.input, "\(vectors.count) values for \(rows) vectors of width \(generator.width)")
        }
        let word = PseudoWord(name: study.pseudoword.name, vectors: Tensor(vectors, shape: [rows, generator.width]))
        var settings = PictureGenerator.Settings()
        settings.seed = study.training.seed
        settings.size = study.data.resolution
        return try generator.generate(prompt, word: word, settings: settings).pngData()
    }

    /// Refuses a prompt that does not fit.
    static func tokens(_ preview: PreviewSettings, _ word: PseudowordSettings, _ encoder: PromptEncoder) throws -> [Int] {
        do {
            return try encoder.encode(preview.prompt, word: (word.name, word.vectors), requiresWord: false)
        } catch let error as InversionError {
            throw InversionError(error.code, "preview.prompt: \(error.description)")
        }
    }
}
