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

    /// The study with the relative paths of its model, pictures, templates and init file taken from this folder.
    package func resolvingPaths(against folder: String) -> Study {
        func resolved(_ path: String) -> String {
            if path.hasPrefix("/") { return path }
            let inside = path.hasPrefix("./") ? path.dropFirst(2).drop { $0 == "/" } : path[...]
            return folder.hasSuffix("/") ? folder + inside : "\(folder)/\(inside)"
        }
        var study = self
        if model != Study.starterModel { study.model = resolved(model) }
        study.data.pictures = resolved(data.pictures)
        if case .file(let path) = data.templates { study.data.templates = .file(resolved(path)) }
        if case .file(let path) = pseudoword.initialization { study.pseudoword.initialization = .file(resolved(path)) }
        return study
    }

    private var settings: SettingNode {
        .mapping([
            "study": .text(name), "model": .text(model),
            "pseudoword": .mapping([
                "name": .text(pseudoword.name), "vectors": .plain(pseudoword.vectors), "init": pseudoword.initialization.setting,
            ]),
            "data": data.setting, "training": training.setting,
            "evaluate": .mapping(["every": .plain(evaluation.every), "samples": .plain(evaluation.samples)]),
            "checkpoint": .mapping(["every": .plain(checkpointEvery)]),
        ])
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
    fileprivate var setting: SettingNode {
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
    fileprivate var setting: SettingNode {
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
