// SPDX-License-Identifier: Apache-2.0
private import Pictures
package import StableDiffusion
package import Studies

/// Finds what is wrong with a study before anything expensive happens: of weights only names and shapes are read.
package enum StudyCheck {
    /// - Returns: the number of pictures.
    /// - Throws: the first problem of model folder, pictures, templates, captions, prompts, schedule or any trial.
    @discardableResult
    package static func check(_ study: Study, folder: ModelFolder) throws -> Int {
        _ = try (folder.unetConfiguration(), folder.autoencoderConfiguration(), folder.noiseSchedule())
        try folder.checkWeights()
        let encoder = try PromptEncoder(tokenizer: folder.tokenizer(), configuration: folder.textEncoderConfiguration())
        let pictures = try PictureFolder.list(study.data.pictures)
        let captions = try pictures.map { ($0, try Captions.caption(forPicture: $0)) }
        let trials = study.trials
        var checked: [Wording] = []
        for trial in 0..<trials.count {
            let study = try trials.study(trial)
            _ = try TrainingCourse(study)
            let wording = Wording(
                vectors: study.pseudoword.vectors, templates: study.data.templates, judged: study.evaluation.templates,
                preview: study.preview?.prompt)
            if checked.contains(wording) { continue }
            checked.append(wording)
            _ = try StudyPrompts(study, captions: captions, encoder: encoder)
            if let preview = study.preview { _ = try Preview.tokens(preview, study.pseudoword, encoder) }
        }
        return pictures.count
    }

    /// What decides a trial's prompts: trials that have it in common are checked once.
    private struct Wording: Equatable {
        let vectors: Int
        let templates: Templates, judged: Templates?
        let preview: String?
    }
}

/// The token ids of every prompt of a study: each template with each picture's caption.
struct StudyPrompts: Sendable {
    /// [picture][template] -> ids.
    let training: [[[Int]]]
    /// The same for the evaluation.
    let evaluation: [[[Int]]]

    init(_ study: Study, captions: [(file: String, caption: String)], encoder: PromptEncoder) throws {
        let word = (name: study.pseudoword.name, vectors: study.pseudoword.vectors)
        try encoder.checkName(word.name)
        func tokens(_ templates: Templates) throws -> [[[Int]]] {
            let templates = try PromptTemplates(templates).lines
            return try captions.map { file, caption in
                try templates.map { template in
                    do {
                        return try encoder.encode(
                            PromptTemplates.prompt(template: template, name: word.name, caption: caption), word: word)
                    } catch let error as InversionError {
                        throw InversionError(error.code, "\(file): \(error.description)")
                    }
                }
            }
        }
        training = try tokens(study.data.templates)
        evaluation = try study.evaluation.templates.map(tokens) ?? training
    }
}
