// SPDX-License-Identifier: Apache-2.0

import Foundation
import Studies
import Testing

/// Reading a search: what is understood, what is refused, and that it survives as JSON.
@Suite struct SearchTests {
    private func parse(_ search: String) throws -> Study { try Study.parse(yaml: smallest + search, source: "s.yaml") }

    @Test func searchIsRead() throws {
        let study = try parse(
            """
            search:
              method: random
              trials: 24
              parameters:
                training.learning_rate: {log_uniform: [1e-4, 1e-1]}
                pseudoword.vectors: {choice: [1, 2, 4, 8]}
                pseudoword.init.text: {choice: [heart, circle, "*"]}
            """)
        let search = try #require(study.search)
        #expect(search.method == .random && search.trials == 24 && study.trialCount == 24)
        #expect(search.parameters.map(\.key) == ["pseudoword.init.text", "pseudoword.vectors", "training.learning_rate"])
        #expect(
            study.canonicalJSON().contains(
                #""search":{"method":"random","parameters":{"pseudoword.init.text":{"choice":["heart","circle","*"]},"#
                    + #""pseudoword.vectors":{"choice":[1,2,4,8]},"training.learning_rate":{"log_uniform":[0.0001,0.1]}},"trials":24}"#))
    }

    @Test(arguments: [
        "training.learning_rate: {log_uniform: [1e-4, 1e-1], points: 3}", "training.batch: {integer: [1, 64], log: true, points: 7}",
        "training.batch: {integer: [1, 4]}", "data.flip: {uniform: [0, 1.0], points: 2}",
        "training.learning_rate: {choice: [1e-3, \"0.1:5, 0.01\", {schedule: cosine, base: 1e-2, warmup: 5}, 5]}",
        "training.clip_gradient: {choice: [none, {norm: 1.0}, {value: 1e-1}]}", "pseudoword.init: {choice: [zeros, random, {text: a}]}",
        "training.optimizer.betas: {choice: [[0.9, 0.999], [0.8, 0.99]]}", "data.templates: {choice: [subject, style, ./mine.txt]}",
        "pseudoword.init.text: {choice: [1e-3, 18446744073709551615, 1e30, -0.0, +5, 0x10, é, \"null\", true]}",
    ])
    func searchesGoThroughJSON(parameter: String) throws {
        let study = try parse("search: {method: grid, parameters: {\(parameter)}}")
        let json = study.canonicalJSON(), again = try Study(json: json)
        #expect(again == study && again.canonicalJSON() == json)
        #expect(again.trialCount == study.trialCount)
        let (trials, others) = (StudyTrials(study) { _, _ in 0 }, StudyTrials(again) { _, _ in 0 })
        for trial in 0..<study.trialCount { #expect(try trials.study(trial) == others.study(trial)) }
    }

    @Test func newSectionsAreWrittenOnlyWhenTheySaySomething() throws {
        let plain = try parse("parallel: trials\ndeterminism: class\n")
        #expect(try plain == parse("") && plain.canonicalJSON() == parse("").canonicalJSON())
        let study = try parse(
            "preview: {every: 200}\nparallel: data\ndeterminism: mixed\nevaluate: {templates: style, latents: mean}\n")
        #expect(study.preview?.every == 200 && study.preview?.prompt == "a photo of [name]")
        #expect(study.parallel == .data && study.determinism == .mixed)
        #expect(study.evaluation.templates == .style && study.evaluation.latents == .mean)
        let json = study.canonicalJSON()
        #expect(json.contains(#""determinism":"mixed""#) && json.contains(#""parallel":"data""#))
        #expect(json.contains(#""preview":{"every":200,"prompt":"a photo of [name]"}"#))
        #expect(json.contains(#""evaluate":{"every":50,"latents":"mean","samples":32,"templates":"style"}"#))
        #expect(try Study(json: json) == study)
    }

    @Test(arguments: [
        ("preview: {}", "preview.every: missing, expected the number of steps between pictures"),
        ("preview: {every: 0}", "preview.every: found \"0\", expected a whole number from 1 to 10000000"),
        ("preview: {every: 1, prompt: \"\"}", "preview.prompt: found \"\", expected a prompt of 1 to 1000 bytes"),
        ("preview: {evry: 1}", "preview.evry: unknown key, did you mean \"preview.every\"?"),
        ("determinism: loose", "determinism: found \"loose\", expected class or mixed"),
        ("search: grid", "search: found \"grid\", expected a mapping with a method and parameters"),
        ("search: {}", "search.method: missing, expected grid or random"),
        ("search: {metod: grid}", "search.metod: unknown key, did you mean \"search.method\"?"),
        ("search: {method: sobol}", "search.method: \"sobol\" is not supported by this version; use grid or random"),
        ("search: {method: tpe}", "search.method: \"tpe\" is not supported by this version; use grid or random"),
        ("search: {method: magic}", "search.method: found \"magic\", expected grid or random"),
        (
            "search: {method: grid}",
            "search.parameters: missing, expected a mapping of keys such as \"training.learning_rate\" to their values"
        ),
        (
            "search: {method: grid, parameters: {}}",
            "search.parameters: has no key, expected at least one such as \"training.learning_rate\""
        ),
        (
            "search: {method: random, parameters: {data.flip: {uniform: [0, 1]}}}",
            "search.trials: missing, expected a whole number from 1 to 10000"
        ),
        (
            "search: {method: random, trials: 10001, parameters: {data.flip: {uniform: [0, 1]}}}",
            "search.trials: found \"10001\", expected a whole number from 1 to 10000"
        ),
        (
            "search: {method: grid, trials: 5, parameters: {data.flip: {choice: [0, 1]}, data.latents: {choice: [mean, once]}}}",
            "search.trials: found \"5\", but the grid has only 4 combinations; leave it out to try all"
        ),
        (
            "search: {method: grid, parameters: {training.batch: {integer: [1, 4096]}, training.microbatch: {integer: [1, 3]}}}",
            "search: the grid has 12288 combinations, expected at most 10000; use fewer values or method: random"
        ),
    ])
    func sectionsAreChecked(yaml: String, expected: String) { #expect(refusal(smallest + yaml) == "s.yaml:5: " + expected) }

    @Test(arguments: [
        ("training.steps: {choice: [5]}", "training.steps: cannot be searched: trials of different lengths could not be compared"),
        ("training.seed: {choice: [5]}", "every trial draws differently anyway"),
        ("training.precision: {choice: [f32]}", "training.precision: cannot be searched"),
        ("evaluate.samples: {choice: [5]}", "evaluate.samples: cannot be searched: trials that are judged differently"),
        ("checkpoint: {choice: [5]}", "checkpoint: cannot be searched"),
        ("checkpoint.every: {choice: [5]}", "checkpoint.every: cannot be searched"),
        ("model: {choice: [a]}", "model: cannot be searched: losses of different models"),
        ("data.pictures: {choice: [a]}", "data.pictures: cannot be searched"),
        ("data.resolution: {choice: [64]}", "data.resolution: cannot be searched"),
        ("study: {choice: [a]}", "study: cannot be searched"), ("pseudoword.name: {choice: [a]}", "pseudoword.name: cannot be searched"),
        ("search.method: {choice: [grid]}", "search.method: cannot be searched"),
        ("training: {choice: [{}]}", "training: cannot be searched as a whole; name a setting such as \"training.learning_rate\""),
        ("training.optimizer: {choice: [{}]}", "training.optimizer: cannot be searched as a whole"),
        ("learning_rate: {choice: [1]}", "learning_rate: unknown key, did you mean \"training.learning_rate\"?"),
        ("training.learningrate: {choice: [1]}", "did you mean \"search.parameters.training.learning_rate\"?"),
        (
            "data.flip: 0.5",
            "data.flip: found \"0.5\", expected {log_uniform: [1e-4, 1e-1]}, {uniform: [0, 1]}, {integer: [1, 8]} or {choice: [1, 2, 4]}"
        ),
        ("data.flip: {}", "data.flip: found 0 kinds of values"), ("data.flip: {uniform: [0, 1], choice: [1]}", "found 2 kinds of values"),
        ("data.flip: {unifrm: [0, 1]}", "data.flip.unifrm: unknown key, did you mean \"search.parameters.data.flip.uniform\"?"),
        ("data.flip: {uniform: [0, 1]}", "has no \"points\": a grid needs the number of values"),
        ("data.flip: {uniform: [1, 0], points: 2}", "found [1.0, 0.0], expected the smaller one first"),
        ("data.flip: {uniform: [0, 1, 2], points: 2}", "found a list of 3, expected two numbers"),
        ("data.flip: {uniform: [0, nan], points: 2}", "found \"nan\", expected a number"),
        ("data.flip: {uniform: [0, 1e101], points: 2}", "found \"1e101\", expected a number"),
        ("data.flip: {log_uniform: [0, 1], points: 2}", "found \"0\", expected a number above 0"),
        ("data.flip: {uniform: [0, 1], points: 1}", "found \"1\", expected a whole number from 2 to 10000"),
        ("data.flip: {uniform: [1, 1.0000001], points: 9}", "fewer than 9 different values"),
        ("data.flip: {uniform: [0, 1], points: 2, log: true}", "data.flip.log: is for integer only"),
        ("data.flip: {choice: [0, 1], points: 2}", "data.flip.points: is for the ranges of a grid only"),
        ("data.flip: {choice: []}", "found a list of 0, expected a list of 1 to 10000 values"),
        ("data.flip: {choice: [1, ~]}", "data.flip.choice[1]: found nothing, expected a value"),
        ("data.flip: {choice: [1, 1.0]}", "\"1\" stands more than once; keep one"),
        ("training.batch: {integer: [1, 2.5]}", "found \"2.5\", expected a whole number from 0 to"),
        ("training.batch: {integer: [0, 2], log: true}", "found \"0\", expected a whole number from 1 to"),
        ("training.batch: {integer: [1, 3], points: 4}", "fewer than 4 different values"),
        ("training.batch: {integer: [1, 3], log: 1}", "found \"1\", expected true or false"),
        (
            "training.learning_rate: {choice: [1]}, training.learning_rate.base: {choice: [1]}",
            "training.learning_rate.base: is searched together with \"training.learning_rate\""
        ),
        (
            "training.clip_gradient.norm: {choice: [1]}, training.clip_gradient.value: {choice: [1]}",
            "training.clip_gradient.value: is searched together with \"training.clip_gradient.norm\""
        ),
        ("data.flip: {choice: [1]}, data.flip: {choice: [2]}", "stands more than once; keep one"),
    ])
    func parametersAreChecked(parameters: String, expected: String) {
        let line = refusal(smallest + "search: {method: grid, parameters: {\(parameters)}}")
        #expect(line.hasPrefix("s.yaml:5: search.parameters.") && line.contains(expected), "\(line)")
    }

    @Test func pointsAreForGrids() {
        let line = refusal(smallest + "search: {method: random, trials: 2, parameters: {data.flip: {uniform: [0, 1], points: 2}}}")
        #expect(line == "s.yaml:5: search.parameters.data.flip.points: is for the ranges of a grid only; leave it out")
    }

    @Test func endlessGridsAreCountedWithoutBeingMade() {
        let keys = ["training.batch", "training.microbatch", "pseudoword.vectors", "training.learning_rate", "data.flip"]
        let parameters = keys.map { "\($0): {integer: [0, 1000000000]}" }.joined(separator: ", ")
        let line = refusal(smallest + "search: {method: grid, parameters: {\(parameters)}}")
        #expect(line.contains("the grid has too many combinations"))
    }
}
