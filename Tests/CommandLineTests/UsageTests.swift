// SPDX-License-Identifier: Apache-2.0
import Foundation
import ProcessTesting
import Testing

struct UsageTests {
    let folder: ScratchFolder

    init() throws { folder = try ScratchFolder() }

    @Test func anUnknownCommandIsNamed() async throws {
        expectUsage(try await folder.run("frobnicate"), "frobnicate", "pseudoword --help")
    }

    @Test func anUnknownOptionIsNamed() async throws {
        expectUsage(try await folder.run("train", "study.yaml", "--frobnicate"), "--frobnicate", "pseudoword train --help")
    }

    @Test func aMissingArgumentIsNamed() async throws {
        expectUsage(try await folder.run("train"), "<study>")
        expectUsage(try await folder.run("evaluate", "--model", "starter"), "--pictures")
    }

    @Test(arguments: [
        ["train", "s.yaml", "--workers", "0"], ["train", "s.yaml", "--workers", "two"], ["train", "s.yaml", "--threads", "0"],
        ["train", "s.yaml", "--heartbeat", "0"], ["coordinator", "--heartbeat", "nan"], ["worker", "--threads", "1000"],
        ["generate", "--model", "starter", "--prompt", "a", "-o", "a.png", "--steps", "0"],
        ["generate", "--model", "starter", "--prompt", "a", "-o", "a.png", "--guidance", "nan"],
        ["generate", "--model", "starter", "--prompt", "a", "-o", "a.jpg"],
        ["generate", "--model", "starter", "--prompt", "a", "-o", "a.png", "--width", "64"],
        ["evaluate", "--model", "starter", "--pictures", "p", "--prompt", "a", "--samples", "0"],
        ["evaluate", "--model", "starter", "--pictures", "p", "--prompt", "a", "--seed", "-1"],
        ["bench", "step", "--batch", "0"], ["bench", "step", "--output", "xml"],
        ["bench", "operations", "--seconds", "0"], ["bench", "step", "--memory", "none"],
        ["embedding", "create", "w", "--model", "starter", "-o", "w.txt"],
        ["embedding", "create", "w", "--model", "starter", "-o", "w.pt", "--vectors", "76"],
        ["model", "verify", "starter", "r.safetensors", "--precision", "f64"], ["model", "random", "sd99", "m"],
        ["export", "s", "--format", "onnx"], ["export", "s", "--trial", "first"],
        ["worker", "--grace", "nan"], ["worker", "--cache-limit", "0"], ["worker", "--join", "a", "--join-file", "b"],
        ["submit", "s.yaml", "--priority", "9999999"], ["priority", "s"], ["priority", "s", "--to", "9999999"], ["drain"],
        ["logs", "--lines", "0"], ["logs", "--lines", "5001"], ["explain", "trial", "s", "first"], ["cancel", "s", "--trial", "all"],
        ["keys", "token"], ["keys", "token", "--role", "king"], ["keys", "token", "--role", "worker", "--address", "box"],
        ["keys", "token", "--role", "worker", "--count", "0"], ["keys", "allow", "abc", "--role", "worker", "--name", "box"],
        ["keys", "allow", String(repeating: "0", count: 64), "--role", "worker", "--name", "two words"], ["keys", "revoke"],
    ])
    func aValueOutOfRangeIsAWrongUsage(_ arguments: [String]) async throws {
        let outcome = try await folder.run(arguments)
        expectUsage(outcome)
        #expect(folder.contents().isEmpty)
    }

    @Test(arguments: [[], ["--listen", "127.0.0.1:7400"], ["--listen", "tcp://127.0.0.1"], ["--listen", "http://127.0.0.1:1"]])
    func anAddressThatIsNoneIsExplained(_ listen: [String]) async throws {
        let arguments = listen.isEmpty ? ["status", "--coordinator", "rubbish"] : ["coordinator", "--home", "home"] + listen
        expectOneLine(try await folder.run(arguments), Status.usage, arguments[arguments.count - 1], "tcp://HOST:PORT")
        #expect(folder.contents().isEmpty)
    }

    @Test func theVersionIsOneLine() async throws {
        let outcome = try await folder.run("--version")
        #expect(outcome.status == Status.done && outcome.errors.isEmpty)
        #expect(outcome.output.wholeMatch(of: /[0-9]+\.[0-9]+\.[0-9]+\n/) != nil, "\(outcome)")
    }

    /// After a wanted change: `COLUMNS=80 pseudoword --help > Tests/Fixtures/cli/help.txt`.
    @Test func theHelpIsAsRecorded() async throws {
        let outcome = try await folder.run("--help")
        #expect(outcome.status == Status.done && outcome.errors.isEmpty)
        #expect(try outcome.output == String(contentsOfFile: SourceTree.fixture("cli/help.txt"), encoding: .utf8))
    }

    @Test(arguments: [
        "train", "submit", "status", "explain", "explain trial", "explain worker", "logs", "cancel", "pause", "resume", "priority",
        "coordinator", "worker", "join", "fleet", "fleet up", "fleet down", "drain", "keys", "keys show", "keys token", "keys allow",
        "keys revoke", "export", "generate", "evaluate", "embedding", "embedding create", "embedding show", "model", "model show",
        "model verify", "model random", "bench", "bench step", "bench operations", "selftest",
    ])
    func everyCommandHasHelp(_ command: String) async throws {
        let outcome = try await folder.run(command.split(separator: " ").map(String.init) + ["--help"])
        #expect(outcome.status == Status.done && outcome.errors.isEmpty)
        #expect(outcome.output.contains("OVERVIEW: ") && outcome.output.contains("USAGE: pseudoword \(command)"))
    }

    @Test func aReaderThatGoesAwayIsNoError() async throws {
        for command in ["$P --help", "$P model show starter", "$P train --help"] {
            let outcome = try await folder.shell("\(command) | head -n 1")
            #expect(outcome.status == Status.done && outcome.errors.isEmpty, "\(outcome)")
            #expect(outcome.output.split(separator: "\n").count == 1)
        }
    }
}
