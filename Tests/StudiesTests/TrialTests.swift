// SPDX-License-Identifier: Apache-2.0

import Foundation
import Studies
import Testing

/// Which settings each trial gets.
@Suite struct TrialTests {
    /// - Parameter draw: what the generator gives for a trial and a key.
    private func trials(
        _ search: String, base: String = "", draw: @escaping @Sendable (Int, String) -> Double = { _, _ in 0 }
    ) throws -> StudyTrials {
        StudyTrials(try Study.parse(yaml: smallest + base + "search: {\(search)}", source: "s.yaml"), draw: draw)
    }

    private func grid(_ parameters: String, base: String = "") throws -> StudyTrials {
        try trials("method: grid, parameters: {\(parameters)}", base: base)
    }

    private func rows(_ trials: StudyTrials) -> [String] {
        (0..<trials.count).map {
            trials.parameters($0).map { "\($0.key.split(separator: ".").last ?? "")=\($0.value)" }.joined(separator: " ")
        }
    }

    @Test func studyWithoutSearchIsOneTrial() throws {
        let study = try Study.parse(yaml: complete, source: "s.yaml")
        let trials = StudyTrials(study) { _, _ in 0 }
        #expect(trials.count == 1 && study.trialCount == 1)
        #expect(try trials.study(0) == study && trials.parameters(0).isEmpty)
    }

    @Test func gridGoesThroughAllCombinationsLastKeyFastest() throws {
        let trials = try grid(
            "training.batch: {choice: [2, 4]}, pseudoword.vectors: {integer: [1, 3]}, data.flip: {uniform: [0, 1], points: 2}")
        #expect(
            rows(trials) == [
                "flip=0 vectors=1 batch=2", "flip=0 vectors=1 batch=4", "flip=0 vectors=2 batch=2", "flip=0 vectors=2 batch=4",
                "flip=0 vectors=3 batch=2", "flip=0 vectors=3 batch=4", "flip=1 vectors=1 batch=2", "flip=1 vectors=1 batch=4",
                "flip=1 vectors=2 batch=2", "flip=1 vectors=2 batch=4", "flip=1 vectors=3 batch=2", "flip=1 vectors=3 batch=4",
            ])
        let study = try trials.study(9)
        #expect(study.data.flip == 1 && study.pseudoword.vectors == 2 && study.training.batch == 4 && study.search == nil)
        #expect(try Study(json: study.canonicalJSON()) == study)
        let few = try self.trials("method: grid, trials: 2, parameters: {pseudoword.vectors: {integer: [1, 3]}}")
        #expect(rows(few) == ["vectors=1", "vectors=2"])
    }

    @Test(arguments: [
        ("{uniform: [0, 1], points: 5}", ["0", "0.25", "0.5", "0.75", "1"]),
        ("{uniform: [-1e-3, 2], points: 3}", ["-0.001", "0.9995", "2"]),
        ("{log_uniform: [1e-4, 1e-1], points: 4}", ["0.0001", "0.001", "0.01", "0.1"]),
        ("{log_uniform: [0.12345678, 3.3333333], points: 3}", ["0.12345678", "0.6415", "3.3333333"]),
        ("{integer: [2, 5]}", ["2", "3", "4", "5"]), ("{integer: [0, 10], points: 3}", ["0", "5", "10"]),
        ("{integer: [1, 64], log: true, points: 4}", ["1", "4", "16", "64"]), ("{choice: [1e-3, 7, \"a, b\"]}", ["0.001", "7", "a, b"]),
        ("{choice: [{base: 1e-3, schedule: cosine}]}", ["{base: 0.001, schedule: cosine}"]),
    ])
    func gridTakesTheseValues(space: String, expected: [String]) throws {
        let trials = try grid("training.learning_rate: \(space)")
        #expect((0..<trials.count).map { trials.parameters($0)[0].value } == expected)
    }

    private static let mappings: [(space: String, draws: [Double], expected: [String])] = [
        ("{uniform: [0, 1]}", [0, 0.123456789, 0.9999999999], ["0", "0.123457", "1"]),
        ("{uniform: [2, 4]}", [0, 0.5], ["2", "3"]), ("{uniform: [-3e-7, 1e100]}", [0, 0.5], ["-3e-07", "5e+99"]),
        ("{log_uniform: [5e-324, 1]}", [0], ["5e-324"]),
        ("{log_uniform: [1e-4, 1e-1]}", [0, 0.33333333333, 0.66666666667, 0.99999], ["0.0001", "0.001", "0.01", "0.0999931"]),
        ("{integer: [1, 4]}", [0, 0.2499, 0.25, 0.5, 0.75, 0.9999999], ["1", "1", "2", "3", "4", "4"]),
        ("{integer: [1, 4], log: true}", [0, 0.49, 0.51, 0.74, 0.99], ["1", "1", "2", "3", "4"]),
        ("{choice: [1, 2, 3]}", [0, 0.3333, 0.3334, 0.67, 0.9999999999999999], ["1", "1", "2", "3", "3"]),
    ]

    @Test(arguments: mappings) func drawsAreMappedToValues(space: String, draws: [Double], expected: [String]) throws {
        let trials = try trials("method: random, trials: \(draws.count), parameters: {training.learning_rate: \(space)}") { trial, _ in
            draws[trial]
        }
        #expect(rows(trials) == expected.map { "learning_rate=\($0)" })
    }

    @Test func oneMoreParameterChangesNoOther() throws {
        let draw: @Sendable (Int, String) -> Double = { trial, key in Double((key.utf8.count * 7 + trial * 13) % 97) / 97 }
        let one = try trials("method: random, trials: 20, parameters: {data.flip: {uniform: [0, 1]}}", draw: draw)
        let two = try trials(
            "method: random, trials: 30, parameters: {pseudoword.vectors: {integer: [1, 8]}, data.flip: {uniform: [0, 1]}}", draw: draw)
        for trial in 0..<20 { #expect(one.parameters(trial)[0] == two.parameters(trial)[0]) }
    }

    @Test func everySearchableKeyReachesItsSetting() throws {
        func study(_ parameter: String, base: String = "") throws -> Study { try grid(parameter, base: base).study(0) }
        #expect(try study("training.learning_rate: {choice: [1e-2]}").training.learningRate == .grammar("0.01"))
        #expect(try study("training.learning_rate: {choice: [\"0.1:5, 0.01\"]}").training.learningRate == .grammar("0.1:5, 0.01"))
        #expect(
            try study("training.learning_rate: {choice: [{schedule: cosine, base: 1, warmup: 3}]}").training.learningRate
                == .cosine(base: 1, warmup: 3))
        let cosine = "training: {learning_rate: {schedule: cosine, base: 1e-3, warmup: 5}}\n"
        #expect(
            try study("training.learning_rate.base: {choice: [0.5]}", base: cosine).training.learningRate == .cosine(base: 0.5, warmup: 5))
        #expect(try study("training.learning_rate.base: {choice: [0.5]}").training.learningRate == .constant(base: 0.5, warmup: 0))
        #expect(
            try study("training.learning_rate.warmup: {choice: [7]}", base: cosine).training.learningRate == .cosine(base: 1e-3, warmup: 7))
        #expect(
            try study("training.learning_rate.schedule: {choice: [constant]}", base: cosine).training.learningRate
                == .constant(base: 1e-3, warmup: 5))
        #expect(try study("training.batch: {choice: [64]}").training.batch == 64)
        #expect(try study("training.microbatch: {choice: [1]}").training.microbatch == 1)
        #expect(try study("training.optimizer.betas: {choice: [[0.5, 0.6]]}").training.optimizer.beta2 == 0.6)
        #expect(try study("training.optimizer.weight_decay: {choice: [0.25]}").training.optimizer.weightDecay == 0.25)
        #expect(try study("training.optimizer.epsilon: {choice: [1e-6]}").training.optimizer.epsilon == 1e-6)
        #expect(try study("training.optimizer.name: {choice: [adamw]}").training.optimizer == OptimizerSettings())
        #expect(try study("training.clip_gradient: {choice: [none]}").training.clipGradient == .none)
        #expect(try study("training.clip_gradient: {choice: [{value: 0.1}]}").training.clipGradient == .value("0.1"))
        #expect(try study("training.clip_gradient.norm: {choice: [2]}").training.clipGradient == .norm("2"))
        #expect(try study("training.clip_gradient.value: {choice: [2]}").training.clipGradient == .value("2"))
        #expect(try study("pseudoword.vectors: {choice: [3]}").pseudoword.vectors == 3)
        #expect(try study("pseudoword.init: {choice: [zeros]}").pseudoword.initialization == .zeros)
        #expect(try study("pseudoword.init: {choice: [{text: a b}]}").pseudoword.initialization == .text("a b"))
        #expect(try study("pseudoword.init.text: {choice: [\"*\"]}").pseudoword.initialization == .text("*"))
        #expect(try study("pseudoword.init.file: {choice: [a.pt]}").pseudoword.initialization == .file("a.pt"))
        #expect(try study("data.flip: {choice: [0.75]}").data.flip == 0.75)
        #expect(try study("data.templates: {choice: [style]}").data.templates == .style)
        #expect(try study("data.templates: {choice: [a/b.txt]}").data.templates == .file("a/b.txt"))
        #expect(try study("data.latents: {choice: [mean]}").data.latents == .mean)
    }

    @Test func restOfTheStudyStaysAsItIs() throws {
        var study = try Study.parse(yaml: complete, source: "s.yaml")
        let search = try Study.parse(
            yaml: smallest + "search: {method: grid, parameters: {training.learning_rate: {choice: [1]}}}", source: "s"
        ).search
        study.search = search
        study.preview = PreviewSettings(every: 5)
        (study.parallel, study.determinism) = (.data, .mixed)
        let trial = try StudyTrials(study) { _, _ in 0 }.study(0)
        study.search = nil
        study.training.learningRate = .grammar("1")
        #expect(trial == study)
    }

    @Test func microbatchGivesWayToASmallBatch() throws {
        let trials = try grid("training.batch: {choice: [1, 3, 8]}")
        #expect(try (0..<3).map { try trials.study($0).training.microbatch } == [1, 2, 2])
        let both = try grid("training.batch: {choice: [2]}, training.microbatch: {choice: [2, 4]}")
        #expect(try both.study(0).training.microbatch == 2)
        #expect(throws: StudyError.self) { try both.study(1) }
    }

    @Test func trialThatIsNoStudyIsNamedWithItsValues() throws {
        let trials = try grid("training.batch: {choice: [4, 0]}, data.flip: {choice: [0.5]}")
        let error = #expect(throws: StudyError.self) { try trials.check() }
        #expect(
            error?.description
                == "study s, trial 1 (data.flip 0.5, training.batch 0): training.batch: found \"0\", expected a whole number from 1 to 4096"
        )
        for parameter in [
            "pseudoword.vectors: {integer: [70, 80]}", "data.flip: {choice: [[1]]}", "data.templates: {choice: [subjct]}",
            "training.learning_rate: {choice: [fast]}", "training.learning_rate.warmup: {choice: [5]}",
            "training.optimizer.epsilon: {uniform: [0, 1], points: 3}", "pseudoword.init: {choice: [heart]}",
        ] {
            let error = #expect(throws: StudyError.self) { try grid(parameter).check() }
            #expect(error?.description.contains { $0.isNewline } == false)
        }
    }

    @Test func trialsAreJudgedAlike() throws {
        let trials = try grid("data.templates: {choice: [subject, style]}, data.latents: {choice: [sample, mean]}")
        let studies = try (0..<4).map { try trials.study($0) }
        #expect(studies.map { $0.evaluation.templates ?? $0.data.templates } == Array(repeating: .subject, count: 4))
        #expect(studies.map { $0.evaluation.latents ?? $0.data.latents } == Array(repeating: .sample, count: 4))
        let own = try grid("data.templates: {choice: [subject, style]}", base: "evaluate: {templates: style-captions}\n")
        #expect(try (0..<2).map { try own.study($0).evaluation.templates } == [.styleCaptions, .styleCaptions])
    }

    @Test(arguments: [
        ("data.flip: {choice: [0, 0.0001]}", true), ("data.flip: {choice: [0]}", false), ("data.flip: {uniform: [0, 1], points: 2}", true),
        ("data.flip: {integer: [0, 1]}", true), ("data.latents: {choice: [mean]}", true),
    ])
    func flipsAreNeededIfAnyTrialFlips(parameter: String, expected: Bool) throws {
        let study = try Study.parse(yaml: smallest + "search: {method: grid, parameters: {\(parameter)}}", source: "s")
        #expect(study.needsFlips == expected)
        #expect(try !Study.parse(yaml: smallest.replacing("pictures: p", with: "pictures: p, flip: 0"), source: "s").needsFlips)
    }

    @Test func filesOfAllTrialsAreKnownAndMove() throws {
        let search =
            "search: {method: grid, parameters: {data.templates: {choice: [subject, b.txt, ./t/a.txt]}, pseudoword.init: {choice: [zeros, {file: v.pt}, {text: v.pt}]}}}"
        let yaml = smallest.replacing("pictures: p", with: "pictures: p, templates: b.txt") + "evaluate: {templates: e.txt}\n" + search
        let study = try Study.parse(yaml: yaml, source: "s").resolvingPaths(against: "/base")
        #expect(study.files.map(\.path) == ["/base/b.txt", "/base/e.txt", "/base/t/a.txt", "/base/v.pt"])
        #expect(study.files.map(\.kind) == [.templates, .templates, .templates, .initialization])
        #expect(study.resolvingPaths(against: "/elsewhere") == study)
        let moved = study.relocated(pictures: "/new/pictures") { "/new" + $0 }
        #expect(moved.data.pictures == "/new/pictures" && moved.files.map(\.path) == study.files.map { "/new" + $0.path })
        let (before, after) = (StudyTrials(study) { _, _ in 0 }, StudyTrials(moved) { _, _ in 0 })
        for trial in 0..<9 {
            #expect(try before.study(trial).relocated(pictures: "/new/pictures") { "/new" + $0 } == after.study(trial))
        }
        #expect(try after.study(4).data.templates == .file("/new/base/b.txt"))
        #expect(try after.study(4).pseudoword.initialization == .file("/new/base/v.pt"))
        #expect(try after.study(5).pseudoword.initialization == .text("v.pt"))
    }
}
