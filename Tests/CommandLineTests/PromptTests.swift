// SPDX-License-Identifier: Apache-2.0
import Foundation
import ProcessTesting
import Testing

/// Prompts, words and pictures of `evaluate` and `generate`.
struct PromptTests {
    let folder: ScratchFolder

    init() throws { folder = try ScratchFolder() }

    private func evaluate(_ prompt: String, pictures: String = SourceTree.starterPictures, _ more: String...) async throws -> Outcome {
        try await folder.run(["evaluate", "--model", "starter", "--pictures", pictures, "--prompt", prompt, "--samples", "1"] + more)
    }

    private func makeWord() async throws {
        let outcome = try await folder.run("embedding", "create", "my-word", "--model", "starter", "--vectors", "2", "-o", "my-word.pt")
        #expect(outcome.status == Status.done && outcome.errors.isEmpty, "\(outcome)")
    }

    @Test func aPromptWithoutTheWordIsRefused() async throws {
        try await makeWord()
        expectOneLine(try await evaluate("a photo", "--embedding", "my-word.pt"), Status.usage, "\"a photo\"", "my-word", "[name]")
        expectOneLine(
            try await folder.run(
                "generate", "--model", "starter", "--embedding", "my-word.pt", "--prompt", "a photo", "-o", "a.png", "--steps", "1"),
            Status.usage, "my-word", "[name]")
        #expect(try await evaluate("a photo of [name]", "--embedding", "my-word.pt").status == Status.done)
        #expect(try await evaluate("a photo of shape", "--embedding", "my-word.pt", "--name", "shape").status == Status.done)
    }

    @Test func aPromptThatIsTooLongIsRefused() async throws {
        let prompt = String(repeating: "heart ", count: 100)
        expectOneLine(try await evaluate(prompt), Status.usage, "tokens", "77", "shorten the prompt")
        let outcome = try await folder.run("generate", "--model", "starter", "--prompt", prompt, "-o", "a.png", "--steps", "1")
        expectOneLine(outcome, Status.usage, "tokens", "77")
        #expect(folder.contents().isEmpty)
    }

    @Test func aNameThatIsATokenIsRefused() async throws {
        let outcome = try await folder.run("embedding", "create", "heart", "--model", "starter", "-o", "heart.pt")
        expectOneLine(outcome, Status.usage, "\"heart\"", "already a token", "choose a name")
        #expect(folder.contents().isEmpty)
    }

    @Test func anEmbeddingOfAnotherWidthIsRefused() async throws {
        let other = SourceTree.fixture("embeddings/a1111.pt")
        expectOneLine(try await evaluate("a teal-heart", "--embedding", other), Status.failed, "a1111.pt", "width 16", "width 128")
    }

    @Test func aFileThatIsThereIsNotReplacedUnasked() async throws {
        try await makeWord()
        let outcome = try await folder.run("embedding", "create", "my-word", "--model", "starter", "-o", "my-word.pt")
        expectOneLine(outcome, Status.failed, "my-word.pt", "exists already", "--force")
        let forced = try await folder.run("embedding", "create", "my-word", "--model", "starter", "-o", "my-word.pt", "--force")
        #expect(forced.status == Status.done)
    }

    @Test func picturesThatCannotBeReadAreNamed() async throws {
        expectOneLine(try await evaluate("a photo", pictures: "nowhere"), Status.notFound, "nowhere", "no such file")
        try folder.makeFolder("empty")
        expectOneLine(try await evaluate("a photo", pictures: "empty"), Status.failed, "empty", "no picture", ".png")
        try folder.write(rubbish(500), to: "rubbish/a.png")
        expectOneLine(try await evaluate("a photo", pictures: "rubbish"), Status.failed, "rubbish/a.png", "not a picture")
    }

    @Test func aPictureIsOnlyWrittenWhereThatIsPossible() async throws {
        let ask = ["generate", "--model", "starter", "--prompt", "a heart", "--steps", "1", "-o"]
        expectOneLine(try await folder.run(ask + ["nowhere/a.png"]), Status.failed, "nowhere/a.png", "folder", "make it first")
        try folder.makeFolder("folder.png")
        expectOneLine(try await folder.run(ask + ["folder.png"]), Status.failed, "folder.png", "is a folder")
        expectOneLine(try await folder.run(ask + ["/proc/a.png"]), Status.failed, "/proc/a.png", "written")
        expectOneLine(
            try await folder.run(ask + ["a.png", "--width", "60", "--height", "64"]), Status.usage, "--width 60", "multiples of 8")
        #expect(folder.contents() == ["folder.png"])
    }

    @Test func aPictureIsWritten() async throws {
        let outcome = try await folder.run(
            "generate", "--model", "starter", "--prompt", "a heart", "--steps", "1", "--width", "64", "--height", "64", "-o", "a.png")
        #expect(outcome.status == Status.done && outcome.output == "wrote a.png\n" && outcome.errors.isEmpty, "\(outcome)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path("a.png"))).prefix(4) == Data([0x89, 0x50, 0x4E, 0x47]))
        #expect(folder.contents() == ["a.png"])
    }
}
