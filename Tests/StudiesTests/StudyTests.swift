// SPDX-License-Identifier: Apache-2.0

import Foundation
import Studies
import Testing

@Suite struct StudyTests {
    @Test func missingKeysGetTheirDefaults() throws {
        let study = try Study.parse(yaml: smallest, source: "s.yaml")
        #expect(study.name == "s" && study.model == "starter")
        #expect(study.pseudoword.name == "w" && study.pseudoword.vectors == 1 && study.pseudoword.initialization == .text("*"))
        #expect(study.data.pictures == "p" && study.data.resolution == nil && study.data.flip == 0.5)
        #expect(study.data.templates == .subject && study.data.latents == .sample)
        let training = study.training
        #expect(training.steps == 1000 && training.batch == 4 && training.microbatch == 2 && training.seed == 0)
        #expect(training.learningRate == .grammar("0.005") && training.clipGradient == .norm("1.0") && training.precision == .f32)
        #expect(
            [training.optimizer.beta1, training.optimizer.beta2, training.optimizer.weightDecay, training.optimizer.epsilon] == [
                0.9, 0.999, 0, 1e-8,
            ])
        #expect(study.evaluation.every == 50 && study.evaluation.samples == 32 && study.checkpointEvery == 50)
        #expect(study == Study(name: "s", model: "starter", pseudoword: PseudowordSettings(name: "w"), data: DataSettings(pictures: "p")))
        #expect(try Study.parse(yaml: smallest + "training: {batch: 1}\nevaluate:\n", source: "s").training.microbatch == 1)
    }

    @Test func everySettingIsRead() throws {
        let study = try Study.parse(yaml: complete, source: "s.yaml")
        #expect(study.pseudoword.name == "teal.heart_2" && study.pseudoword.vectors == 3)
        #expect(study.pseudoword.initialization == .text("a \"heart\" \u{2028} é 心"))
        #expect(study.data.pictures == "./pictures/" && study.data.resolution == PictureSize(width: 512, height: 384))
        #expect(study.data.flip == 0.25 && study.data.templates == .file("prompts/mine.txt") && study.data.latents == .once)
        let training = study.training
        #expect(training.steps == 700 && training.batch == 6 && training.microbatch == 4 && training.seed == .max)
        #expect(training.learningRate == .grammar("0.005:500, 1e-3") && training.clipGradient == .value("0.1:500, 0.05"))
        #expect(
            [training.optimizer.beta1, training.optimizer.beta2, training.optimizer.weightDecay, training.optimizer.epsilon] == [
                0.8, 0.99, 0.01, 1e-6,
            ])
        #expect(study.evaluation.every == 25 && study.evaluation.samples == 16 && study.checkpointEvery == 10)
    }

    @Test(arguments: [
        ("init: zeros", Initialization.zeros), ("init: random", .random), ("init: {file: a.pt}", .file("a.pt")),
        ("init: {text: 5}", .text("5")),
        ("init: {text: \"*\"}", .text("*")),
    ])
    func initializationHasFourForms(yaml: String, expected: Initialization) throws {
        let text = smallest.replacingOccurrences(of: "{name: w}", with: "{name: w, \(yaml)}")
        #expect(try Study.parse(yaml: text, source: "s").pseudoword.initialization == expected)
    }

    @Test(arguments: [
        ("0.01", LearningRate.grammar("0.01")), ("5e-3", .grammar("5e-3")), ("\"0.1:5\"", .grammar("0.1:5")),
        ("{schedule: cosine, base: 5e-3, warmup: 50}", .cosine(base: 0.005, warmup: 50)), ("{base: 1}", .constant(base: 1, warmup: 0)),
    ])
    func learningRateHasThreeForms(yaml: String, expected: LearningRate) throws {
        let study = try Study.parse(yaml: smallest + "training: {learning_rate: \(yaml)}", source: "s")
        #expect(study.training.learningRate == expected)
        #expect(try Study(json: study.canonicalJSON()) == study)
    }

    @Test(arguments: [
        ("subject", Templates.subject), ("style", .style), ("subject-captions", .subjectCaptions), ("style-captions", .styleCaptions),
        ("mine.txt", .file("mine.txt")),
    ])
    func templatesAreNamedOrAFile(yaml: String, expected: Templates) throws {
        let study = try Study.parse(
            yaml: smallest.replacingOccurrences(of: "pictures: p", with: "pictures: p, templates: \(yaml)"), source: "s")
        #expect(study.data.templates == expected)
        #expect(try Study(json: study.canonicalJSON()) == study)
    }

    @Test func clippingCanBeOff() throws {
        let study = try Study.parse(yaml: smallest + "training: {clip_gradient: none}", source: "s")
        #expect(study.training.clipGradient == .none)
        #expect(try study.training.clipGradient.schedule(maximumSteps: 10) == nil)
        #expect(try Study(json: study.canonicalJSON()) == study)
    }

    @Test(arguments: [smallest, complete])
    func jsonGoesThereAndBack(yaml: String) throws {
        let study = try Study.parse(yaml: yaml, source: "s")
        let json = study.canonicalJSON()
        #expect(try Study(json: json) == study)
        #expect(try Study(json: json).canonicalJSON() == json)
        #expect(try JSONDecoder().decode(Study.self, from: JSONEncoder().encode(study)) == study)
        #expect(!json.contains("\n"))
    }

    @Test func canonicalJSONIsWrittenInStone() throws {
        let expected =
            #"{"checkpoint":{"every":50},"data":{"flip":0.5,"latents":"sample","pictures":"p","templates":"subject"},"#
            + #""evaluate":{"every":50,"samples":32},"model":"starter","pseudoword":{"init":{"text":"*"},"name":"w","vectors":1},"study":"s","#
            + #""training":{"batch":4,"clip_gradient":{"norm":"1.0"},"learning_rate":"0.005","microbatch":2,"#
            + #""optimizer":{"betas":[0.9,0.999],"epsilon":1e-08,"name":"adamw","weight_decay":0},"precision":"f32","seed":0,"steps":1000}}"#
        #expect(try Study.parse(yaml: smallest, source: "s").canonicalJSON() == expected)
    }

    @Test func hostileJSONIsRefused() throws {
        let json = try Study.parse(yaml: smallest, source: "s").canonicalJSON()
        let changes = [
            ("\"steps\":1000", "\"steps\":0"), ("\"steps\":1000", "\"steps\":1e99"), ("\"steps\":1000", "\"steps\":true"), ("}}", "}"),
            ("\"seed\":0", "\"seed\":-1"), ("\"name\":\"w\"", "\"name\":\"a/b\""), ("\"flip\":0.5", "\"flip\":null"),
            ("\"study\"", "\"stduy\""),
        ]
        for (from, to) in changes {
            let changed = json.replacingOccurrences(of: from, with: to)
            #expect(changed != json)
            #expect(throws: StudyError.self, "\(to)") { try Study(json: changed) }
        }
        for text in ["", "[]", "5", "null", String(repeating: "[", count: 100_000), "{\"study\":\"\u{0}\"}"] {
            #expect(throws: StudyError.self) { try Study(json: text) }
        }
    }

    @Test func relativePathsAreResolvedAgainstTheStudysFolder() throws {
        let study = try Study.parse(yaml: complete, source: "s").resolvingPaths(against: "/home/me/studies")
        #expect(study.model == "/home/me/studies/models/tiny")
        #expect(study.data.pictures == "/home/me/studies/pictures/")
        #expect(study.data.templates == .file("/home/me/studies/prompts/mine.txt"))
        #expect(study.resolvingPaths(against: "/elsewhere") == study)
        var bundled = try Study.parse(yaml: smallest, source: "s")
        bundled.pseudoword.initialization = .file("v.pt")
        bundled = bundled.resolvingPaths(against: "a/")
        #expect(bundled.model == "starter" && bundled.data.pictures == "a/p" && bundled.pseudoword.initialization == .file("a/v.pt"))
    }

    @Test func theQuickstartStudyLoads() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(
            path: "Fixtures/studies/teal-heart.yaml"
        ).path
        let study = try Study.load(path: path)
        #expect(study.name == "teal-heart" && study.model == "starter" && study.training.steps == 600)
        #expect(
            study.pseudoword.name == "teal-heart" && study.pseudoword.vectors == 2 && study.pseudoword.initialization == .text("circle"))
        #expect(study.data.resolution == PictureSize(width: 128, height: 128))
        #expect(study.data.pictures.hasPrefix("/") && study.data.pictures.hasSuffix("/Fixtures/studies/pictures"))
    }

    @Test func filesThatAreNoTextAreRefused() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/s.yaml"
            #expect(throws: StudyError(.notFound, source: path, "cannot be read: no such file or directory")) {
                try Study.load(path: path)
            }
            try Data([0x73, 0xFF, 0xFE]).write(to: URL(filePath: path))
            #expect(throws: StudyError(.unreadable, source: path, "not UTF-8 text; save it as UTF-8")) { try Study.load(path: path) }
            #expect(throws: StudyError(.unreadable, source: folder, "not a file")) { try Study.load(path: folder) }
            try (Data([0xEF, 0xBB, 0xBF]) + Data(smallest.utf8)).write(to: URL(filePath: path))
            #expect(try Study.load(path: path).data.pictures == "\(folder)/p")
        }
    }
}
