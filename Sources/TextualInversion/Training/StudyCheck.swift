// SPDX-License-Identifier: Apache-2.0
private import Pictures
package import StableDiffusion
package import Studies

/// Finds what is wrong with a study before anything expensive happens: of weights only names and shapes are read.
package enum StudyCheck {
    /// - Returns: the number of pictures.
    /// - Throws: the first problem of model folder, pictures, templates, captions, prompts or schedule.
    @discardableResult
    package static func check(_ study: Study, folder: ModelFolder) throws -> Int {
        _ = try LearningRateSchedule(study.training.learningRate, maximumSteps: study.training.steps)
        _ = try (folder.unetConfiguration(), folder.autoencoderConfiguration(), folder.noiseSchedule())
        try folder.checkWeights()
        let pictures = try PictureFolder.list(study.data.pictures)
        _ = try StudyPrompts(study, captions: pictures.map { ($0, try Captions.caption(forPicture: $0)) }, folder: folder)
        return pictures.count
    }
}

/// The token ids of every prompt of a study: each template with each picture's caption.
struct StudyPrompts: Sendable {
    let tokenizer: CLIPTokenizer
    /// [picture][template] -> ids.
    let tokens: [[[Int]]]

    init(_ study: Study, captions: [(file: String, caption: String)], folder: ModelFolder) throws {
        tokenizer = try folder.tokenizer()
        let encoder = try PromptEncoder(tokenizer: tokenizer, configuration: folder.textEncoderConfiguration())
        let word = (name: study.pseudoword.name, vectors: study.pseudoword.vectors)
        try encoder.checkName(word.name)
        let templates = try PromptTemplates(study.data.templates).lines
        tokens = try captions.map { file, caption in
            try templates.map { template in
                do {
                    return try encoder.encode(PromptTemplates.prompt(template: template, name: word.name, caption: caption), word: word)
                } catch let error as InversionError {
                    throw InversionError(error.code, "\(file): \(error.description)")
                }
            }
        }
    }
}
