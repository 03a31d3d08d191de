// SPDX-License-Identifier: Apache-2.0
package import StableDiffusion

/// The fixed-set loss of one prompt on pictures, with or without a learned word.
package enum PromptEvaluation {
    /// - Parameters:
    ///   - folder: of the pictures.
    ///   - word: stands in the prompt when given.
    ///   - resolution: of the pictures in pixels; nil for the model's own.
    package static func evaluate(
        prompt: String, word: PseudoWord?, pictures folder: String, model location: ModelFolder, samples: Int, seed: UInt64
    ) throws -> EvaluationSet.Result {
        let encoder = try PromptEncoder(tokenizer: location.tokenizer(), configuration: location.textEncoderConfiguration())
        let tokens = try encoder.encode(prompt, word: word.map { ($0.name, $0.count) })
        let dataSet = try LatentDataSet(folder: folder, size: nil, flips: false, model: location)
        let model = try InversionModel(location)
        let set = EvaluationSet(dataSet: dataSet, model: model, samples: samples, microbatch: 4, seed: seed) { _, _ in tokens }
        guard let result = set.evaluate(model, vectors: word?.vectors), result.loss.isFinite else {
            throw InversionError(.numeric, "the loss of \"\(prompt)\" is not finite")
        }
        return result
    }
}
