// SPDX-License-Identifier: Apache-2.0

extension Study {
    /// Reads a study file's text; missing keys get their defaults, and the first thing wrong is thrown as one line.
    ///
    /// - Parameter source: what errors call the file.
    package static func parse(yaml: String, source: String) throws -> Study {
        try Study(YAMLReader.read(yaml, source: source), source: source)
    }

    /// Reads a study file and resolves its relative paths against the folder that the file is in.
    package static func load(path: String) throws -> Study {
        let study = try parse(yaml: Text.read(path: path, limit: YAMLReader.maximumBytes), source: path)
        return study.resolvingPaths(against: path.lastIndex(of: "/").map { String(path[...$0]) } ?? ".")
    }

    init(_ root: SettingNode, source: String) throws {
        let file = try Setting(node: root, path: "", source: source).section("a mapping such as \"study: teal-heart\"")
        self.init(
            name: try Study.studyName(file.required("study", "a name such as \"study: teal-heart\"")),
            model: try Study.path(file.required("model", "\"starter\" or a model's folder")),
            pseudoword: try PseudowordSettings(file.required("pseudoword", "a mapping with at least a name").section()),
            data: try DataSettings(file.required("data", "a mapping with at least \"pictures\"").section()))
        training = try TrainingSettings(file.section("training"))
        evaluation = try EvaluationSettings(file.section("evaluate"))
        checkpointEvery = try file.section("checkpoint")["every"]?.integer(1...TrainingSettings.maximumSteps) ?? checkpointEvery
        preview = try file["preview"].map { try PreviewSettings($0.section()) }
        parallel = try file["parallel"]?.choice(ParallelMode.self) ?? parallel
        determinism = try file["determinism"]?.choice(DeterminismMode.self) ?? determinism
        search = try file["search"].map { try SearchSettings($0.section("a mapping with a method and parameters")) }
    }

    private static func studyName(_ setting: Setting) throws -> String {
        let expected = "1 to 64 letters A-Z a-z, digits or . _ - that do not begin with a dot"
        let name = try setting.text(expected)
        guard (1...64).contains(name.utf8.count), Text.isName(name, or: "._-"), !name.hasPrefix(".") else {
            throw setting.outOfRange(expected)
        }
        return name
    }

    static func path(_ setting: Setting) throws -> String {
        let path = try setting.text("a path")
        guard (1...4095).contains(path.utf8.count) else { throw setting.outOfRange("a path of 1 to 4095 bytes") }
        return path
    }
}

extension PseudowordSettings {
    init(_ section: Section) throws {
        let expected = "1 to 64 letters A-Z a-z, digits or . _ -"
        let setting = try section.required("name", expected)
        self.init(name: try setting.text(expected))
        guard (1...64).contains(name.utf8.count), Text.isName(name, or: "._-") else { throw setting.outOfRange(expected) }
        vectors = try section["vectors"]?.integer(1...75) ?? vectors
        initialization = try section["init"].map(Initialization.init) ?? initialization
    }
}

extension Initialization {
    init(_ setting: Setting) throws {
        let expected = "{text: ...}, zeros, random or {file: ...}"
        if setting.isMapping {
            let section = try setting.section()
            switch (section["text"], section["file"]) {
            case (let text?, nil):
                let words = try text.text()
                guard (1...1000).contains(words.utf8.count) else {
                    throw text.outOfRange("text of 1 to 1000 bytes; for zeros write \"init: zeros\"")
                }
                self = .text(words)
            case (nil, let file?): self = .file(try Study.path(file))
            default: throw setting.failure(.outOfRange, "found \(section.entries.count) keys, expected \(expected)")
            }
            return
        }
        switch try setting.text(expected) {
        case "zeros": self = .zeros
        case "random": self = .random
        case let word: throw setting.outOfRange(expected + "; for the text write {text: \(Text.quoted(word))}")
        }
    }
}

extension DataSettings {
    init(_ section: Section) throws {
        self.init(pictures: try Study.path(section.required("pictures", "a folder of PNG, JPEG or WebP pictures")))
        resolution = try section["resolution"].map(PictureSize.init)
        flip = try section["flip"]?.number("a number from 0 to 1") { (0...1).contains($0) } ?? flip
        templates = try section["templates"].map(Templates.init) ?? templates
        latents = try section["latents"]?.choice(LatentDraw.self) ?? latents
    }
}

extension PictureSize {
    init(_ setting: Setting) throws {
        let expected = "a multiple of 8 from 32 to 4096, or [width, height]"
        func side(_ setting: Setting) throws -> Int {
            let side = try setting.integer(32...4096)
            guard side.isMultiple(of: 8) else { throw setting.outOfRange("a multiple of 8 from 32 to 4096") }
            return side
        }
        if setting.isMapping { _ = try setting.section() }
        if setting.scalar == "buckets" {
            throw setting.failure(.unsupported, "\"buckets\" is not supported by this version; give one resolution")
        }
        if case .plain = setting.node.value, !setting.node.isNull {
            let side = try side(setting)
            self.init(width: side, height: side)
        } else {
            let sides = try setting.list(count: 2, expected)
            self.init(width: try side(sides[0]), height: try side(sides[1]))
        }
    }
}

extension Templates {
    static let names: KeyValuePairs<String, Templates> = [
        "subject": .subject, "style": .style, "subject-captions": .subjectCaptions, "style-captions": .styleCaptions,
    ]

    init(_ setting: Setting) throws {
        let expected = "subject, style, subject-captions, style-captions or a text file"
        let text = try setting.text(expected)
        if let named = Templates.names.first(where: { $0.key == text })?.value {
            self = named
        } else {
            // A mistyped name must not turn into a file that is missed much later.
            guard text.contains("/") || text.contains(".") else { throw setting.outOfRange(expected + " such as \"prompts.txt\"") }
            self = .file(try Study.path(setting))
        }
    }
}

extension EvaluationSettings {
    init(_ section: Section) throws {
        self.init()
        every = try section["every"]?.integer(1...TrainingSettings.maximumSteps) ?? every
        samples = try section["samples"]?.integer(1...65_536) ?? samples
        templates = try section["templates"].map(Templates.init)
        latents = try section["latents"]?.choice(LatentDraw.self)
    }
}

extension PreviewSettings {
    init(_ section: Section) throws {
        self.init(every: try section.required("every", "the number of steps between pictures").integer(1...TrainingSettings.maximumSteps))
        guard let setting = section["prompt"] else { return }
        prompt = try setting.text("a prompt such as \"a photo of [name]\"")
        guard (1...1000).contains(prompt.utf8.count) else { throw setting.outOfRange("a prompt of 1 to 1000 bytes") }
    }
}
