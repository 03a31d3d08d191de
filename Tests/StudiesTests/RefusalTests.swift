// SPDX-License-Identifier: Apache-2.0

import Foundation
import Studies
import Testing

@Suite struct RefusalTests {
    @Test(arguments: [
        ("training: {stepz: 5}", "s.yaml:5: training.stepz: unknown key, did you mean \"training.steps\"?"),
        ("steps: 5", "s.yaml:5: steps: unknown key, did you mean \"training.steps\"?"),
        ("trainng:\n  steps: 5", "s.yaml:5: trainng: unknown key, did you mean \"training\"?"),
        ("training:\n  optimizer: {beta: 1}", "s.yaml:6: training.optimizer.beta: unknown key, did you mean \"training.optimizer.betas\"?"),
        ("evaluate: {steps: 5, every: 1}", "s.yaml:5: evaluate.steps: unknown key, did you mean \"training.steps\"?"),
    ])
    func unknownKeysNameTheNearestKnownOne(yaml: String, expected: String) {
        #expect(refusal(smallest + yaml) == expected)
    }

    @Test(arguments: [
        ("training: {steps: many}", "training.steps: found \"many\", expected a whole number from 1 to 10000000"),
        ("training: {steps: \"5\"}", "training.steps: found \"5\", expected a whole number from 1 to 10000000"),
        ("training: {steps: 5.5}", "training.steps: found \"5.5\", expected a whole number from 1 to 10000000"),
        ("training: {steps: 0}", "training.steps: found \"0\", expected a whole number from 1 to 10000000"),
        (
            "training: {steps: 99999999999999999999}",
            "training.steps: found \"99999999999999999999\", expected a whole number from 1 to 10000000"
        ),
        ("training: {steps: }", "training.steps: found nothing, expected a whole number from 1 to 10000000"),
        ("training: {steps: [5]}", "training.steps: found a list, expected a whole number from 1 to 10000000"),
        ("training: {batch: 3, microbatch: 4}", "training.microbatch: found \"4\", expected a whole number from 1 to 3"),
        ("training: {seed: -1}", "training.seed: found \"-1\", expected a whole number from 0 to 18446744073709551615"),
        ("training: 5", "training: found \"5\", expected a mapping"),
        ("training: {optimizer: {betas: [0.9]}}", "training.optimizer.betas: found a list of 1, expected two numbers such as [0.9, 0.999]"),
        ("training: {optimizer: {betas: [0.9, 1]}}", "training.optimizer.betas[1]: found \"1\", expected a number from 0 to below 1"),
        ("training: {optimizer: {epsilon: nan}}", "training.optimizer.epsilon: found \"nan\", expected a number above 0 and at most 1"),
        (
            "training: {optimizer: {epsilon: 1e-999}}",
            "training.optimizer.epsilon: found \"1e-999\", expected a number above 0 and at most 1"
        ),
        ("training: {optimizer: {name: sgd}}", "training.optimizer.name: found \"sgd\", expected adamw"),
        ("training: {clip_gradient: 1}", "training.clip_gradient: found \"1\", expected none, {norm: 1.0} or {value: 0.1}"),
        (
            "training: {clip_gradient: {norm: 1, value: 1}}",
            "training.clip_gradient: found 2 keys, expected none, {norm: 1.0} or {value: 0.1}"
        ),
        ("training: {clip_gradient: {norm: 0}}", "training.clip_gradient.norm: found \"0\", expected limits above 0"),
        (
            "training: {learning_rate: fast}",
            "training.learning_rate: found \"fast\" for the rate in \"fast\", expected entries such as \"0.005:500\" or \"1e-3\""
        ),
        (
            "training: {learning_rate: {base: 1, schedule: linear}}",
            "training.learning_rate.schedule: found \"linear\", expected constant or cosine"
        ),
        ("training: {learning_rate: {schedule: cosine}}", "training.learning_rate.base: missing, expected a number above 0"),
        (
            "training: {steps: 5, learning_rate: {base: 1, warmup: 6}}",
            "training.learning_rate.warmup: found \"6\", expected a whole number from 0 to 5"
        ),
        ("parallel: both", "parallel: found \"both\", expected trials or data"),
        ("evaluate: {every: 0}", "evaluate.every: found \"0\", expected a whole number from 1 to 10000000"),
    ])
    func wrongValuesSayWhatWasFoundAndExpected(yaml: String, expected: String) {
        #expect(refusal(smallest + yaml) == "s.yaml:5: " + expected)
    }

    @Test(arguments: [
        ("w}", "a/b}", "s.yaml:3: pseudoword.name: found \"a/b\", expected 1 to 64 letters A-Z a-z, digits or . _ -"),
        ("w}", "<w>}", "s.yaml:3: pseudoword.name: found \"<w>\", expected 1 to 64 letters A-Z a-z, digits or . _ -"),
        ("w}", "w, vectors: 76}", "s.yaml:3: pseudoword.vectors: found \"76\", expected a whole number from 1 to 75"),
        (
            "w}", "w, init: heart}",
            "s.yaml:3: pseudoword.init: found \"heart\", expected {text: ...}, zeros, random or {file: ...}; for the text write {text: \"heart\"}"
        ),
        ("w}", "w, init: {}}", "s.yaml:3: pseudoword.init: found 0 keys, expected {text: ...}, zeros, random or {file: ...}"),
        (
            "w}", "w, init: {text: \"\"}}",
            "s.yaml:3: pseudoword.init.text: found \"\", expected text of 1 to 1000 bytes; for zeros write \"init: zeros\""
        ),
        ("s\n", ".s\n", "s.yaml:1: study: found \".s\", expected 1 to 64 letters A-Z a-z, digits or . _ - that do not begin with a dot"),
        (
            "s\n", "ünder\n",
            "s.yaml:1: study: found \"ünder\", expected 1 to 64 letters A-Z a-z, digits or . _ - that do not begin with a dot"
        ),
        ("p}", "p, resolution: 100}", "s.yaml:4: data.resolution: found \"100\", expected a multiple of 8 from 32 to 4096"),
        (
            "p}", "p, resolution: [64]}",
            "s.yaml:4: data.resolution: found a list of 1, expected a multiple of 8 from 32 to 4096, or [width, height]"
        ),
        ("p}", "p, resolution: [64, 68]}", "s.yaml:4: data.resolution[1]: found \"68\", expected a multiple of 8 from 32 to 4096"),
        ("p}", "p, flip: 1.5}", "s.yaml:4: data.flip: found \"1.5\", expected a number from 0 to 1"),
        ("p}", "p, latents: all}", "s.yaml:4: data.latents: found \"all\", expected sample, mean or once"),
        (
            "p}", "p, templates: subjct}",
            "s.yaml:4: data.templates: found \"subjct\", expected subject, style, subject-captions, style-captions or a text file such as \"prompts.txt\""
        ),
        ("model: starter\n", "", "s.yaml: model: missing, expected \"starter\" or a model's folder"),
        ("pictures: p", "flip: 0", "s.yaml:4: data.pictures: missing, expected a folder of PNG, JPEG or WebP pictures"),
    ])
    func otherKeysToo(from: String, to: String, expected: String) throws {
        let range = try #require(smallest.range(of: from))
        #expect(refusal(smallest.replacingCharacters(in: range, with: to)) == expected)
    }

    @Test(arguments: [("search: {method: sobol}", "search.method")])
    func laterKeysAreNamedAsSuch(yaml: String, key: String) {
        let line = refusal(smallest + yaml)
        #expect(line.hasPrefix("s.yaml:5: \(key): ") && line.contains("not supported by this version"))
    }

    @Test(arguments: ["f16", "half", "1"])
    func precisionsThatDoNotExistAreRefused(precision: String) {
        let line = refusal(smallest + "training: {precision: \(precision)}")
        #expect(line == "s.yaml:5: training.precision: found \"\(precision)\", expected f32, bf16 or auto")
    }

    @Test(arguments: ["buckets", "{buckets: true}"])
    func bucketsAreForLater(resolution: String) {
        let line = refusal(smallest.replacing("pictures: p", with: "pictures: p, resolution: \(resolution)"))
        #expect(line.contains("data.resolution") && line.contains("not supported by this version"))
    }

    @Test func duplicateKeysAreRefused() {
        #expect(refusal(smallest + "training: {steps: 5, steps: 6}") == "s.yaml:5: training.steps: stands more than once; keep one")
        #expect(refusal(smallest + "training:\n  seed: 1\n  \"seed\": 2\n").hasSuffix(": training.seed: stands more than once; keep one"))
        #expect(refusal(smallest + "evaluate: {every: 1, every: 2, every: 3}").hasSuffix("every: stands more than once; keep one"))
        #expect(refusal(smallest + "model: a\n").hasSuffix("model: stands more than once; keep one"))
    }

    @Test(arguments: [
        ("", "s.yaml: the file is empty, expected a study such as \"study: teal-heart\""),
        ("# nothing\n", "s.yaml: the file is empty, expected a study such as \"study: teal-heart\""),
        ("just words", "s.yaml:1: found \"just words\", expected a mapping such as \"study: teal-heart\""),
        ("- a\n- b", "s.yaml:1: found a list, expected a mapping such as \"study: teal-heart\""),
        ("study: s\n\tmodel: starter\n", "s.yaml:2: not valid YAML: a tab indents this line; use spaces"),
        ("[a]: 5", "s.yaml:1: a key is a list or a mapping, expected a name"),
    ])
    func whatIsNoStudyIsRefused(yaml: String, expected: String) {
        #expect(refusal(yaml) == expected)
    }

    @Test func brokenYAMLSaysWhere() {
        #expect(refusal(smallest + "training: {steps: 5").hasPrefix("s.yaml:6: not valid YAML: "))
        #expect(refusal("study: *\n").contains("put text that begins with * in quotation marks"))
        #expect(refusal("study: a\n---\nstudy: b\n").contains("found another document"))
        #expect(refusal("study: \"a\u{1}\"").contains("not valid YAML"))
    }
}
