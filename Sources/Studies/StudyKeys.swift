// SPDX-License-Identifier: Apache-2.0

/// Every key that a study file may have.
enum StudyKeys {
    /// Keys by section, in the order in which a study shows them; "" is the file itself.
    static let sections: [String: [String]] = [
        "": ["study", "model", "pseudoword", "data", "training", "evaluate", "checkpoint", "preview", "parallel", "determinism", "search"],
        "pseudoword": ["name", "vectors", "init"],
        "pseudoword.init": ["text", "file"],
        "data": ["pictures", "resolution", "flip", "templates", "latents"],
        "training": ["steps", "batch", "microbatch", "learning_rate", "optimizer", "clip_gradient", "precision", "seed"],
        "training.learning_rate": ["schedule", "base", "warmup"],
        "training.optimizer": ["name", "betas", "weight_decay", "epsilon"],
        "training.clip_gradient": ["norm", "value"],
        "evaluate": ["every", "samples", "templates", "latents"],
        "checkpoint": ["every"],
        "preview": ["every", "prompt"],
        "search": ["method", "trials", "parameters"],
        "search.parameters": SearchKeys.all,
        SearchKeys.space: ["log_uniform", "uniform", "integer", "choice", "points", "log"],
    ]

    /// Keys that the study file is to have one day, and what to do today.
    static let later = [
        "data.resolution.buckets": "give one resolution, a number or [width, height]"
    ]

    static func dotted(_ section: String, _ key: String) -> String { section.isEmpty ? key : "\(section).\(key)" }

    /// The known key that was most likely meant: the same word elsewhere, or the nearest one of this section.
    ///
    /// - Parameter path: where the section stands, if not under its own name.
    static func nearest(to key: String, in section: String, at path: String) -> String {
        let elsewhere = sections.filter { !$0.key.hasPrefix("search.") && $0.value.contains(key) }.map { dotted($0.key, key) }.sorted()
        if let same = elsewhere.first { return same }
        let here = (sections[section] ?? []).map { ($0, Text.editDistance($0, key)) }
        return dotted(path, here.min { $0.1 < $1.1 }?.0 ?? "study")
    }
}
