// SPDX-License-Identifier: Apache-2.0
import Foundation
import ProcessTesting
import Testing

struct EmbeddingFileTests {
    let folder: ScratchFolder

    init() throws { folder = try ScratchFolder() }

    @Test func aFileThatIsNoEmbeddingIsRefused() async throws {
        expectOneLine(try await folder.run("embedding", "show", "nowhere.pt"), Status.notFound, "nowhere.pt", "No such file")
        try folder.write(rubbish(500), to: "rubbish.pt")
        expectOneLine(try await folder.run("embedding", "show", "rubbish.pt"), Status.failed, "rubbish.pt", ".safetensors")
        try folder.write("", to: "empty.safetensors")
        expectOneLine(try await folder.run("embedding", "show", "empty.safetensors"), Status.failed, "empty.safetensors")
        expectOneLine(try await folder.run("embedding", "show", "."), Status.failed, "not a regular file")
        let model = SourceTree.starterModel + "/text_encoder/model.safetensors"
        expectOneLine(try await folder.run("embedding", "show", model), Status.failed, "text_encoder/model.safetensors")
    }

    /// `scripts/fixtures/make_cli_fixtures.py` wrote pickles that make a file in the current folder when Python loads them.
    @Test(arguments: ["os-system.pt", "os-system-legacy.pt", "os-system-bare.pt"])
    func aPickleIsNeverExecuted(_ name: String) async throws {
        try folder.copy(SourceTree.fixture("cli/\(name)"), to: name)
        for arguments in [
            ["embedding", "show", name],
            ["evaluate", "--model", "starter", "--pictures", SourceTree.starterPictures, "--prompt", "a photo", "--embedding", name],
            ["generate", "--model", "starter", "--prompt", "a photo", "--embedding", name, "-o", "a.png"],
        ] {
            expectOneLine(try await folder.run(arguments), Status.failed, name)
            #expect(folder.contents() == [name], "something was executed")
        }
    }

    @Test func aCallInsideAnEmbeddingIsInert() async throws {
        try folder.copy(SourceTree.fixture("cli/embedding-exec.pt"), to: "embedding-exec.pt")
        let outcome = try await folder.run("embedding", "show", "embedding-exec.pt")
        #expect([Status.done, Status.failed].contains(outcome.status), "\(outcome)")
        #expect(folder.contents() == ["embedding-exec.pt"], "something was executed")
    }

    @Test(arguments: ["os-system.pt", "os-system-legacy.pt", "os-system-bare.pt"]) func theCallInAPickleIsNamed(_ name: String) async throws
    {
        let outcome = try await folder.run("embedding", "show", SourceTree.fixture("cli/\(name)"))
        expectOneLine(outcome, Status.failed, name, "system")
    }
}
