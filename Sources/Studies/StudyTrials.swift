// SPDX-License-Identifier: Apache-2.0

/// The trials of a study: each one's settings are a pure function of the study and the trial's number.
package struct StudyTrials: Sendable {
    private let study: Study
    private let draw: @Sendable (_ trial: Int, _ key: String) -> Double
    /// The sections that trials change, as trees.
    private let sections: [String: SettingNode]
    /// Where each parameter's value goes, in their order.
    private let places: [Place]
    /// The batch is searched and the microbatch is not.
    private let adaptsMicrobatch: Bool

    private struct Place: Sendable {
        let section: String
        let path: ArraySlice<Substring>
        let alternatives: [String]
    }

    /// - Parameter draw: a uniform number in 0 ..< 1 that depends on the study's seed, the trial and the key, and nothing else.
    package init(_ study: Study, draw: @escaping @Sendable (_ trial: Int, _ key: String) -> Double) {
        self.study = study
        self.draw = draw
        let keys = study.search?.parameters.map(\.key) ?? []
        places = keys.map { key in
            let path = key.split(separator: "."), leaf = path[path.count - 1]
            let siblings = SearchKeys.alternatives[path.dropLast().joined(separator: ".")] ?? []
            return Place(section: String(path[0]), path: path.dropFirst(), alternatives: siblings.filter { $0 != leaf })
        }
        adaptsMicrobatch = keys.contains("training.batch") && !keys.contains("training.microbatch")
        let all = ["pseudoword": study.pseudoword.setting, "data": study.data.setting, "training": study.training.setting]
        sections = all.filter { section, _ in keys.contains { $0.hasPrefix(section + ".") } }
    }

    package var count: Int { study.trialCount }

    private func values(_ trial: Int) -> [(key: String, value: SettingNode)] {
        precondition((0..<count).contains(trial), "trial \(trial) of \(count)")
        return study.search?.values(trial: trial) { draw(trial, $0) } ?? []
    }

    /// What is special about a trial: the searched keys in order and its values, for people.
    package func parameters(_ trial: Int) -> [(key: String, value: String)] { values(trial).map { ($0.key, Text.oneLine($0.value.text)) } }

    /// The trial's whole settings: a study without a search.
    ///
    /// - Throws: `StudyError` that names the trial and its values when they do not make a valid study.
    package func study(_ trial: Int) throws -> Study {
        guard study.search != nil else { return study }
        let values = values(trial)
        var sections = sections
        for (place, value) in zip(places, values) {
            sections[place.section]?.set(value.value, at: place.path, replacing: place.alternatives)
        }
        // The microbatch is at most the batch: unless it is searched too, it gives way.
        if adaptsMicrobatch, let batch = sections["training"]?["batch"], let size = Int(batch.text), size < study.training.microbatch {
            sections["training"]?.set(batch, at: ["microbatch"])
        }
        var result = study
        result.search = nil
        do {
            for name in ["pseudoword", "data", "training"] {
                guard let node = sections[name] else { continue }
                let section = try Setting(node: node, path: name, source: "study \(study.name)").section()
                switch name {
                case "pseudoword": result.pseudoword = try PseudowordSettings(section)
                case "data": result.data = try DataSettings(section)
                default: result.training = try TrainingSettings(section)
                }
            }
        } catch let error as StudyError {
            let settings = values.map { "\($0.key) \(Text.oneLine($0.value.text, limit: 40))" }.joined(separator: ", ")
            throw StudyError(error.code, source: "\(error.source), trial \(trial) (\(settings))", key: error.key, error.message)
        }
        // All trials are judged with the same prompts and latents.
        if result.data.templates != study.data.templates {
            result.evaluation.templates = study.evaluation.templates ?? study.data.templates
        }
        if result.data.latents != study.data.latents { result.evaluation.latents = study.evaluation.latents ?? study.data.latents }
        return result
    }

    /// Makes every trial once, to find the first that is no valid study.
    package func check() throws {
        for trial in 0..<count { _ = try study(trial) }
    }
}

extension Study {
    /// How many trials the study has; 1 without a search.
    package var trialCount: Int { search?.trialCount ?? 1 }

    /// Whether any trial needs mirrored pictures.
    package var needsFlips: Bool {
        guard let space = search?.parameters.first(where: { $0.key == "data.flip" })?.space else { return data.flip > 0 }
        switch space {
        case .choice(let values): return values.contains { Double($0.text) != 0 }
        case .integer(let range, _, _): return range.upperBound > 0
        case .real(let range, _, _): return range.upperBound > 0
        }
    }
}
