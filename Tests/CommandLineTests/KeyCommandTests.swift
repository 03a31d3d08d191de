// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import ProcessTesting
import Testing

/// Who may do what, from the command line.
///
/// Each user of a test has a configuration of its own, as on boxes of their own.
@Suite(.timeLimit(.minutes(3)))
struct KeyCommandTests {
    let folder: ScratchFolder

    init() throws { folder = try ScratchFolder() }

    private func token(_ role: String) async throws -> String {
        let outcome = try await folder.run("keys", "token", "--role", role, "--home", "home")
        #expect(outcome.status == Status.done && outcome.output.hasPrefix("pwj1-"), "\(outcome)")
        return outcome.output.trimmingCharacters(in: .newlines)
    }

    @Test func keysAreShownAllowedAndRevoked() async throws {
        let coordinator = try await RunningCoordinator(in: folder)
        let key = String(repeating: "0a", count: 32)
        let allowed = try await folder.run("keys", "allow", key, "--role", "client", "--name", "laptop", "--home", "home")
        #expect(allowed.status == Status.done && allowed.output.hasPrefix("allowed laptop as client: "), "\(allowed)")
        let shown = try await folder.run("keys", "show", "--home", "home")
        #expect(shown.status == Status.done && shown.output.hasPrefix("this coordinator's key: "), "\(shown)")
        for part in ["KIND", "admin+worker", "local", "client", "laptop", "token"] { #expect(shown.output.contains(part), "\(shown)") }
        let listed = try await folder.run("keys", "show", "--home", "home", "--output", "json").json()
        let names = (listed["keys"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
        #expect(names.contains("laptop") && listed["schema_version"] as? Int == 1)
        let revoked = try await folder.run("keys", "revoke", "laptop", "--home", "home")
        #expect(revoked.status == Status.done && revoked.output.hasPrefix("revoked laptop (member, client): "), "\(revoked)")
        expectOneLine(try await folder.run("keys", "revoke", "laptop", "--home", "home"), Status.notFound, "laptop", "keys show")
        expectOneLine(try await folder.run("keys", "show", "--home", "nowhere"), Status.notFound, "nowhere", "no keys")
        #expect(coordinator.program.isRunning)
    }

    @Test func keysAreForTheirOwnerOnly() async throws {
        let coordinator = try await RunningCoordinator(in: folder)
        for (name, mode) in [("keys", 0o700), ("keys/coordinator.json", 0o600), ("keys/allow-list", 0o600), ("keys/local.json", 0o600)] {
            let found = try FileManager.default.attributesOfItem(atPath: folder.path("home/\(name)"))[.posixPermissions] as? Int
            #expect(found == mode, "\(name)")
        }
        coordinator.program.signal(SIGTERM)
        try await coordinator.program.wait()
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: folder.path("home/keys/coordinator.json"))
        expectOneLine(
            try await folder.run("coordinator", "--home", "home", "--listen", "tcp://127.0.0.1:0"), Status.failed, "coordinator.json",
            "chmod 600")
    }

    @Test func aBoxJoinsOnceAndMayDoWhatItsTokenSays() async throws {
        let coordinator = try await RunningCoordinator(in: folder)
        let status = ["status", "--coordinator", coordinator.endpoint]
        expectOneLine(try await folder.run(status, user: "ben"), Status.refused, "no key for the coordinator", "pseudoword join TOKEN")
        let token = try await token("client")
        let joined = try await folder.run("join", token, "--name", "laptop", user: "ben")
        #expect(joined.status == Status.done && joined.output == "joined \(coordinator.endpoint) as client\n", "\(joined)")
        let again = try await folder.run("join", token, "--name", "laptop", user: "ben")
        #expect(again.status == Status.done && again.output.hasPrefix("this box had joined \(coordinator.endpoint) already, as client;"))
        #expect(try await folder.run(status, user: "ben").status == Status.done)
        // This machine by another name.
        let local = ["status", "--coordinator", "tcp://localhost:\(coordinator.port)"]
        #expect(try await folder.run(local, user: "ben").status == Status.done)
        // Its own coordinator is found without being named.
        #expect(try await folder.run("status", user: "ben").status == Status.done)
        for command in [["cancel", "tiny"], ["pause", "tiny"], ["drain", "ada"]] {
            expectOneLine(try await folder.run(command, user: "ben"), Status.refused, "this key may not", "admin")
        }
        for _ in 0..<2 {
            expectOneLine(try await folder.run("join", token, user: "cyd"), Status.refused, "refuses this token", "ask for a new token")
        }
        expectOneLine(try await folder.run(status, user: "cyd"), Status.refused)
        let problems = try await coordinator.status().problems
        #expect(problems.contains { $0.contains("a join token that was used before") }, "\(problems)")
        #expect(coordinator.program.isRunning)
    }

    /// A token works from the moment when it is printed.
    @Test func aFreshTokenNeedsNoPatience() async throws {
        let coordinator = try await RunningCoordinator(in: folder)
        for number in 0..<3 {
            let joined = try await folder.run("join", try await token("client"), user: "user-\(number)")
            #expect(joined.status == Status.done && joined.output.hasPrefix("joined "), "\(joined)")
        }
        #expect(coordinator.program.isRunning)
    }

    /// A file that may not grow stands for a disk that is full.
    @Test func aListThatCannotBeWrittenStaysAsItWas() async throws {
        let coordinator = try await RunningCoordinator(in: folder)
        #expect(try await folder.run("keys", "token", "--role", "client", "--count", "30", "--home", "home").status == Status.done)
        _ = try await coordinator.token()
        let list = folder.url.appendingPathComponent("home/keys/allow-list"), before = try Data(contentsOf: list)
        let files = folder.contents(of: "home/keys"), key = String(repeating: "0a", count: 32)
        for command in ["allow \(key) --role client --name laptop", "revoke token-2"] {
            let outcome = try await folder.shell("ulimit -f 1; exec \"$P\" keys \(command) --home home")
            expectOneLine(outcome, Status.failed, "allow-list", "cannot be written")
            #expect(try Data(contentsOf: list) == before)
            #expect(folder.contents(of: "home/keys") == files, "something is left over")
        }
        #expect(coordinator.program.isRunning)
    }

    @Test func aRevokedKeyIsRefused() async throws {
        let coordinator = try await RunningCoordinator(in: folder)
        let token = try await token("client")
        #expect(try await folder.run("join", token, "--name", "laptop", user: "ben").status == Status.done)
        #expect(try await folder.run("keys", "revoke", "laptop", "--home", "home").status == Status.done)
        try await eventually("the coordinator has noticed") { try await folder.run("status", user: "ben").status == Status.refused }
        expectOneLine(try await folder.run("status", user: "ben"), Status.refused)
        #expect(coordinator.program.isRunning)
    }

    @Test func aWorkerJoinsWithOneLineAndNeedsNoTokenAfterwards() async throws {
        let coordinator = try await RunningCoordinator(in: folder)
        let token = try await coordinator.token()
        try folder.write(token + "\n", to: "token.txt")
        func isThere() async throws -> Bool { try await coordinator.status().workers.map(\.name) == ["box"] }
        let first = try RunningProgram.pseudoword(
            ["worker", "--join-file", "token.txt", "--name", "box", "--threads", "1"], in: folder, user: "dan")
        try await eventually("it works") { try await isThere() }
        #expect(first.output.contains("from now on no token is needed"))
        #expect(!folder.exists("token.txt"), "a token that was used stays on disk")
        first.signal(SIGTERM)
        #expect(try await first.wait().status == Status.done)
        try await eventually("it has left") { try await coordinator.status().workers.isEmpty }
        let second = try coordinator.worker("box", user: "dan")
        try await eventually("it works again") { try await isThere() }
        // Its key is a worker's.
        expectOneLine(try await folder.run("status", "--coordinator", coordinator.endpoint, user: "dan"), Status.refused)
        #expect(second.isRunning && coordinator.program.isRunning)
    }

    @Test(arguments: ["", "pwj1-", "pwj1-AAAA", "pwj9-AAAA", "hello"])
    func whatIsNoTokenIsAWrongUsage(_ token: String) async throws {
        expectOneLine(try await folder.run("join", token), Status.usage, "token")
        expectOneLine(try await folder.run("worker", "--join", token), Status.usage, "token")
    }

    @Test func withoutKeysNobodyBeyondThisMachineIsListenedTo() async throws {
        expectOneLine(
            try await folder.run("coordinator", "--home", "home", "--listen", "tcp://0.0.0.0:0", "--insecure"), Status.refused,
            "without keys", "--insecure")
        let coordinator = try await RunningCoordinator(in: folder, "--insecure")
        #expect(!folder.exists("home/keys"))
        let outcome = try await folder.run("status", "--insecure", "--coordinator", coordinator.endpoint)
        #expect(outcome.status == Status.done, "\(outcome)")
        #expect(coordinator.program.isRunning)
    }
}
