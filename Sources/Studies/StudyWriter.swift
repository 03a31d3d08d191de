// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Study: Codable {
    package init(from decoder: any Decoder) throws {
        try self.init(SettingNode(from: decoder), source: "study")
    }

    package func encode(to encoder: any Encoder) throws {
        try settings.encode(to: encoder)
    }

    /// Reads what `canonicalJSON()` wrote, as strictly as a study file.
    package init(json: String, source: String = "study") throws {
        guard json.utf8.count <= YAMLReader.maximumBytes else {
            throw StudyError(.tooLarge, source: source, "has \(json.utf8.count) bytes, expected at most \(YAMLReader.maximumBytes)")
        }
        let root: SettingNode
        do {
            root = try JSONDecoder().decode(SettingNode.self, from: Data(json.utf8))
        } catch {
            throw StudyError(.notJSON, source: source, "not valid JSON")
        }
        try self.init(root, source: source)
    }

    /// The whole study with all defaults filled in, as one line of JSON with sorted keys: equal studies give equal text.
    package func canonicalJSON() -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Encoding fails only for numbers that JSON lacks, and no setting can be one.
        guard let data = try? encoder.encode(settings) else { preconditionFailure("a study has only finite numbers") }
        return String(decoding: data, as: UTF8.self)
    }

    /// The whole study as a tree; a section that says nothing but its defaults stands there all the same, except those that came later:
    /// studies from before them keep their text.
    var settings: SettingNode {
        var entries: [SettingNode.Entry] = [
            .init(key: "study", value: .text(name)), .init(key: "model", value: .text(model)),
            .init(key: "pseudoword", value: pseudoword.setting), .init(key: "data", value: data.setting),
            .init(key: "training", value: training.setting), .init(key: "evaluate", value: evaluation.setting),
            .init(key: "checkpoint", value: .mapping(["every": .plain(checkpointEvery)])),
        ]
        if let preview {
            entries.append(.init(key: "preview", value: .mapping(["every": .plain(preview.every), "prompt": .text(preview.prompt)])))
        }
        if parallel != .trials { entries.append(.init(key: "parallel", value: .text(parallel.rawValue))) }
        if determinism != .sameClass { entries.append(.init(key: "determinism", value: .text(determinism.rawValue))) }
        if let search { entries.append(.init(key: "search", value: search.setting)) }
        return SettingNode(value: .mapping(entries))
    }
}

extension PseudowordSettings {
    var setting: SettingNode {
        .mapping(["name": .text(name), "vectors": .plain(vectors), "init": initialization.setting])
    }
}

extension EvaluationSettings {
    fileprivate var setting: SettingNode {
        var entries: [SettingNode.Entry] = [.init(key: "every", value: .plain(every)), .init(key: "samples", value: .plain(samples))]
        if let templates { entries.append(.init(key: "templates", value: .text(templates.text))) }
        if let latents { entries.append(.init(key: "latents", value: .text(latents.rawValue))) }
        return SettingNode(value: .mapping(entries))
    }
}

extension Initialization {
    fileprivate var setting: SettingNode {
        switch self {
        case .text(let text): .mapping(["text": .text(text)])
        case .zeros: .text("zeros")
        case .random: .text("random")
        case .file(let path): .mapping(["file": .text(path)])
        }
    }
}

extension DataSettings {
    var setting: SettingNode {
        var entries = [SettingNode.Entry(key: "pictures", value: .text(pictures))]
        if let resolution {
            entries.append(.init(key: "resolution", value: .list([.plain(resolution.width), .plain(resolution.height)])))
        }
        entries.append(.init(key: "flip", value: .plain(flip)))
        entries.append(.init(key: "templates", value: .text(templates.text)))
        entries.append(.init(key: "latents", value: .text(latents.rawValue)))
        return SettingNode(value: .mapping(entries))
    }
}

extension Templates {
    /// As the study file writes it.
    package var text: String {
        if case .file(let path) = self { return path }
        return Templates.names.first { $0.value == self }?.key ?? ""
    }
}

extension TrainingSettings {
    var setting: SettingNode {
        .mapping([
            "steps": .plain(steps), "batch": .plain(batch), "microbatch": .plain(microbatch), "learning_rate": learningRate.setting,
            "optimizer": .mapping([
                "name": .text("adamw"), "betas": .list([.plain(optimizer.beta1), .plain(optimizer.beta2)]),
                "weight_decay": .plain(optimizer.weightDecay), "epsilon": .plain(optimizer.epsilon),
            ]),
            "clip_gradient": clipGradient.setting, "precision": .text(precision.rawValue), "seed": .plain(seed),
        ])
    }
}

extension LearningRate {
    fileprivate var setting: SettingNode {
        switch self {
        case .grammar(let text): .text(text)
        case .constant(let base, let warmup): .mapping(["schedule": .text("constant"), "base": .plain(base), "warmup": .plain(warmup)])
        case .cosine(let base, let warmup): .mapping(["schedule": .text("cosine"), "base": .plain(base), "warmup": .plain(warmup)])
        }
    }
}

extension GradientClip {
    fileprivate var setting: SettingNode {
        switch self {
        case .none: .text("none")
        case .norm(let limit): .mapping(["norm": .text(limit)])
        case .value(let limit): .mapping(["value": .text(limit)])
        }
    }
}
