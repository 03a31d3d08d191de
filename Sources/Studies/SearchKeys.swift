// SPDX-License-Identifier: Apache-2.0

/// Which settings a search may try values for, and why not the others.
enum SearchKeys {
    /// The section whose keys are dotted keys of the study.
    static let parameters = "search.parameters"
    /// What stands for the section of any one parameter.
    static let space = "search.parameters.*"

    static let all = [
        "training.learning_rate", "training.learning_rate.schedule", "training.learning_rate.base", "training.learning_rate.warmup",
        "training.batch", "training.microbatch", "training.optimizer.name", "training.optimizer.betas", "training.optimizer.weight_decay",
        "training.optimizer.epsilon", "training.clip_gradient", "training.clip_gradient.norm", "training.clip_gradient.value",
        "pseudoword.vectors", "pseudoword.init", "pseudoword.init.text", "pseudoword.init.file",
        "data.flip", "data.templates", "data.latents",
    ]

    /// Keys of which only one can be there: setting one takes the others away.
    static let alternatives = [
        "training.clip_gradient": ["norm", "value"],
        "pseudoword.init": ["text", "file"],
    ]

    private static let refused: KeyValuePairs<String, String> = [
        "training.steps": "trials of different lengths could not be compared",
        "training.seed": "every trial draws differently anyway; for repetitions raise \"trials\"",
        "training.precision": "trials of different precision could not be compared",
        "evaluate": "trials that are judged differently could not be compared",
        "checkpoint": "it decides nothing about the result",
        "model": "losses of different models could not be compared; submit one study for each",
        "data.pictures": "losses on different pictures could not be compared; submit one study for each",
        "data.resolution": "losses at different resolutions could not be compared; submit one study for each",
        "study": "it is the study's name", "pseudoword.name": "the name decides nothing about the result",
        "preview": "it decides nothing about the result", "parallel": "it decides nothing about the result",
        "determinism": "it decides nothing about the result", "search": "a search cannot search itself",
    ]

    /// Why a key that a study has cannot be searched; nil for a key that can be, and for one that no study has.
    static func refusal(of key: String) -> String? {
        if let entry = refused.first(where: { key == $0.key || key.hasPrefix($0.key + ".") }) {
            return "cannot be searched: \(entry.value)"
        }
        // A section, or a setting with a section's name, such as "training" or "training.optimizer".
        guard StudyKeys.sections[key] != nil, !all.contains(key) else { return nil }
        let inside = all.filter { $0.hasPrefix(key + ".") }
        return inside.first.map { "cannot be searched as a whole; name a setting such as \"\($0)\"" }
    }

    /// The two keys of a search that would overwrite each other, the later one first.
    static func conflict(in keys: [String]) -> (String, String)? {
        for (index, key) in keys.enumerated() {
            for other in keys[..<index] {
                if key.hasPrefix(other + ".") { return (key, other) }
                let parent = key.split(separator: ".").dropLast().joined(separator: ".")
                if let names = alternatives[parent], names.contains(where: { parent + "." + $0 == other }) { return (key, other) }
            }
        }
        return nil
    }
}
