// SPDX-License-Identifier: Apache-2.0
import Foundation
import ProcessTesting
import Testing

/// Wrong studies, which every command that takes one refuses before anything happens.
struct StudyFileTests {
    struct Wrong: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let status: Int32
        let parts: [String]
        /// The coordinator may have what this machine lacks, so a submission goes on until there is none to ask.
        var isFineToSubmit = false
        let make: @Sendable (ScratchFolder) throws -> Void

        init(_ name: String, _ status: Int32, _ parts: String..., make: @escaping @Sendable (ScratchFolder) throws -> Void) {
            (testDescription, self.status, self.parts, self.make) = (name, status, parts, make)
        }

        init(_ name: String, _ status: Int32, _ parts: String..., isFineToSubmit: Bool = false, study: StudyText) {
            (testDescription, self.status, self.parts, self.isFineToSubmit) = (name, status, parts, isFineToSubmit)
            make = { try $0.write(study.yaml, to: "study.yaml") }
        }
    }

    static let commands = [["train", "study.yaml"], ["submit", "study.yaml"], ["submit", "--check", "study.yaml"]]

    static let wrong: [Wrong] = [
        Wrong("no file", Status.notFound, "study.yaml", "no such") { _ in },
        Wrong("a folder", Status.usage, "study.yaml", "not a file") { try $0.makeFolder("study.yaml") },
        Wrong("an empty file", Status.usage, "study.yaml", "empty") { try $0.write("", to: "study.yaml") },
        Wrong("random bytes", Status.usage, "study.yaml", "UTF-8") { try $0.write(rubbish(500), to: "study.yaml") },
        Wrong("broken YAML", Status.usage, "study.yaml:3", "YAML") { try $0.write("a: [1,\nb: {", to: "study.yaml") },
        Wrong("a list", Status.usage, "study.yaml:1", "mapping") { try $0.write("- study\n- model\n", to: "study.yaml") },
        Wrong("an unknown key", Status.usage, "study.yaml:8", "evalute", "evaluate", study: StudyText { $0.more = "evalute: {every: 5}" }),
        Wrong("a name with a slash", Status.usage, "study.yaml:1", "study", "a/b", study: StudyText { $0.name = "a/b" }),
        Wrong("no steps", Status.usage, "study.yaml:5", "training.steps", "0", study: StudyText { $0.steps = 0 }),
        Wrong("a resolution that no model takes", Status.usage, "data.resolution", "63", study: StudyText { $0.resolution = 63 }),
        Wrong(
            "a missing model", Status.notFound, "nowhere", "no such model", isFineToSubmit: true,
            study: StudyText { $0.model = "nowhere" }),
        Wrong("a model that is a file", Status.failed, "study.yaml", "diffusers layout", study: StudyText { $0.model = "study.yaml" }),
        Wrong("a name that is a token", Status.usage, "\"heart\"", "already a token", study: StudyText { $0.word = "heart" }),
        Wrong("a missing picture folder", Status.notFound, "nowhere", "no such", study: StudyText { $0.pictures = "nowhere" }),
        Wrong("a missing file of templates", Status.notFound, "nowhere.txt", "no such") {
            let study = StudyText().yaml.replacing("resolution: 64", with: "resolution: 64, templates: nowhere.txt")
            try $0.write(study, to: "study.yaml")
        },
        Wrong("a folder without pictures", Status.failed, "empty", "no picture", ".png") {
            try $0.makeFolder("empty")
            try $0.write(StudyText { $0.pictures = "empty" }.yaml, to: "study.yaml")
        },
        Wrong("a picture of random bytes", Status.failed, "pictures/b.png", "not a picture", "PNG, JPEG or WebP") {
            try $0.copy(SourceTree.starterPictures, to: "pictures")
            try $0.write(rubbish(500), to: "pictures/b.png")
            try $0.write(StudyText { $0.pictures = "pictures" }.yaml, to: "study.yaml")
        },
        Wrong("a picture that was cut off", Status.failed, "pictures/b.png", "truncated") {
            try $0.copy(SourceTree.starterPictures, to: "pictures")
            let whole = try Data(contentsOf: URL(fileURLWithPath: SourceTree.starterPictures + "/1.png"))
            try $0.write(whole.prefix(whole.count / 2), to: "pictures/b.png")
            try $0.write(StudyText { $0.pictures = "pictures" }.yaml, to: "study.yaml")
        },
        Wrong(
            "a missing init file", Status.notFound, "nowhere.pt", "No such file",
            study: StudyText { $0.initialization = "{file: nowhere.pt}" }),
        Wrong("an init file for another model", Status.failed, "a1111.pt", "width 16", "128") {
            try $0.copy(SourceTree.fixture("embeddings/a1111.pt"), to: "a1111.pt")
            try $0.write(StudyText { $0.initialization = "{file: a1111.pt}" }.yaml, to: "study.yaml")
        },
        Wrong("prompts that are too long", Status.usage, "tokens", "77", "shorten") {
            try $0.write(String(repeating: "a heart and ", count: 50) + "[name]\n", to: "prompts.txt")
            let study = StudyText().yaml.replacing("resolution: 64", with: "resolution: 64, templates: prompts.txt")
            try $0.write(study, to: "study.yaml")
        },
    ]

    @Test(arguments: wrong) func aWrongStudyIsRefusedWithOneLine(_ wrong: Wrong) async throws {
        let folder = try ScratchFolder()
        try wrong.make(folder)
        let before = folder.contents()
        for command in Self.commands {
            let outcome = try await folder.run(command)
            if wrong.isFineToSubmit, command == ["submit", "study.yaml"] {
                expectOneLine(outcome, Status.refused, "no key for the coordinator")
            } else {
                expectOneLine(outcome, wrong.status, wrong.parts)
            }
            #expect(folder.contents() == before, "\(command) left something behind")
        }
    }

    @Test func theNearestKnownKeyIsNamed() async throws {
        let folder = try ScratchFolder()
        try folder.write(StudyText().yaml.replacing("learning_rate", with: "lerning_rate"), to: "study.yaml")
        let outcome = try await folder.run("train", "study.yaml")
        expectOneLine(outcome, Status.usage, "study.yaml:5", "training.lerning_rate", "did you mean \"training.learning_rate\"?")
    }

    @Test func aCheckNeedsNoCoordinatorAndSaysWhatWouldRun() async throws {
        let folder = try ScratchFolder()
        try folder.write(StudyText().yaml, to: "study.yaml")
        let outcome = try await folder.run("submit", "--check", "study.yaml", "--coordinator", "tcp://127.0.0.1:9")
        #expect(outcome.status == Status.done && outcome.errors.isEmpty, "\(outcome)")
        for part in ["tiny", "40 steps", "<teal-heart>", "5 pictures", "64 x 64"] { #expect(outcome.output.contains(part), "\(outcome)") }
        #expect(folder.contents() == ["study.yaml"])
    }
}
