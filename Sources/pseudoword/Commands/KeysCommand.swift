// SPDX-License-Identifier: Apache-2.0
import Access
import ArgumentParser
import Fleet
import Foundation
import ZeroMQ

struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Says and changes who may connect to a coordinator.",
        discussion: "Works on the files in the coordinator's home; one that runs notices at once.",
        subcommands: [KeysShowCommand.self, KeysTokenCommand.self, KeysAllowCommand.self, KeysRevokeCommand.self])
}

struct KeysShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Lists the keys that may connect.")

    @OptionGroup var home: HomeOption
    @Flag(help: "List used join tokens, too.") var all = false
    @Option(help: "text or json.") var output = OutputFormat.text

    struct Report: Encodable {
        struct Row: Encodable {
            let kind: String, roles: [String], name: String, added: String, key: String, usedBy: String?
        }
        let schemaVersion = 1
        let serverKey: String
        let keys: [Row]
    }

    func run() throws {
        let (serverKey, list) = try KeyFailure.shown {
            let store = try KeyStore(existingIn: home.folder)
            return (try store.coordinatorKeys().publicKey, try store.allowList())
        }
        let rows = list.entries.map { entry in
            Report.Row(
                kind: entry.kind.name, roles: entry.roles.sorted().map(\.rawValue), name: entry.name, added: entry.addedText,
                key: entry.key.z85, usedBy: entry.kind.user?.z85)
        }
        guard output == .text else { return try Report(serverKey: serverKey.z85, keys: rows).printAsJSON() }
        print("this coordinator's key: \(serverKey)")
        let shown = rows.filter { all || $0.usedBy == nil }
        guard !shown.isEmpty else { return print("no key may connect yet; make a join token with: pseudoword keys token --role worker") }
        let cells = shown.map { [$0.kind, $0.roles.joined(separator: "+"), $0.name, $0.added, $0.key] }
        let table = [["KIND", "ROLES", "NAME", "ADDED", "KEY"]] + cells
        let widths = (0..<5).map { column in table.map { $0[column].count }.max() ?? 0 }
        for row in table {
            print(zip(row, widths).map { $0.padded(to: $1) }.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
        }
    }
}

struct KeysTokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Prints a line with which a box joins: pseudoword worker --join TOKEN.",
        discussion: "A token is good once, for one box, and a secret until then.")

    @Option(name: .customLong("role"), parsing: .singleValue, help: "What the box may do: worker, client or admin; can be said again.")
    var roles: [String]
    @Option(
        name: .customLong("address"), parsing: .singleValue,
        help: "Where other boxes reach the coordinator, as tcp://HOST:PORT (default: the running coordinator's own); can be said again.")
    var addresses: [String] = []
    @Option(help: "How many tokens, one for each box.") var count = 1
    @OptionGroup var home: HomeOption
    @Option(help: "text or json.") var output = OutputFormat.text

    struct Report: Encodable {
        struct Row: Encodable {
            let token: String, name: String, roles: [String], addresses: [String], key: String
        }
        let schemaVersion = 1
        let tokens: [Row]
    }

    func validate() throws {
        _ = try KeyFailure.roles(roles)
        for address in addresses { _ = try KeyFailure.asUsage { try Endpoint(address) } }
        guard (1...1000).contains(count) else { throw ValidationError("--count takes a number from 1 to 1000") }
    }

    func run() throws {
        let wanted = try KeyFailure.roles(roles)
        let endpoints = try self.endpoints()
        let rows = try KeyFailure.shown {
            guard FileManager.default.fileExists(atPath: home.folder.path) else {
                throw CommandLineError(
                    .notFound, "home \(home.folder.path): there is no such folder; the coordinator makes it when it starts")
            }
            let store = try KeyStore(home: home.folder)
            return try (0..<count).map { _ in
                let token = try store.makeToken(roles: wanted, endpoints: endpoints, at: KeyFailure.now)
                let key = token.keys.publicKey
                return Report.Row(
                    token: token.text, name: try store.allowList()[key]?.name ?? "", roles: wanted.sorted().map(\.rawValue),
                    addresses: endpoints.map(\.description), key: key.z85)
            }
        }
        guard output == .text else { return try Report(tokens: rows).printAsJSON() }
        for row in rows { print(row.token) }
        if endpoints.allSatisfy(\.isLoopback) {
            Main.complain("note: \(endpoints[0]) can be reached from this box only; name another address with --address")
        }
    }

    private func endpoints() throws -> [Endpoint] {
        if !addresses.isEmpty { return try addresses.map { address in try KeyFailure.shown { try Endpoint(address) } } }
        guard let announced = Discovery.read(from: home.folder)?.endpoint, let endpoint = try? Endpoint(announced) else {
            throw CommandLineError(
                .usage, "no coordinator runs in home \(home.folder.path) that could say its address; name it with --address tcp://HOST:PORT"
            )
        }
        return HostAddresses.reachable(endpoint)
    }
}

struct KeysAllowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "allow", abstract: "Lets a key in, or changes its roles and name.",
        discussion: "A box that joins with a token needs none of this.")

    @Argument(help: "The public key: its 40 characters in single quotes, or 64 hexadecimal digits.") var key: String
    @Option(name: .customLong("role"), parsing: .singleValue, help: "What its holder may do: worker, client or admin; can be said again.")
    var roles: [String]
    @Option(help: "What to call its holder.") var name: String
    @OptionGroup var home: HomeOption

    func validate() throws {
        _ = try KeyFailure.roles(roles)
        _ = try KeyFailure.asUsage { try CurvePublicKey(z85: key) }
        guard PeerName.isValid(name) else {
            throw ValidationError("--name takes up to 64 letters, digits, dots, dashes and underscores")
        }
    }

    func run() throws {
        let wanted = try KeyFailure.roles(roles)
        let (entry, _) = try KeyFailure.shown {
            let key = try CurvePublicKey(z85: key)
            return try KeyStore(existingIn: home.folder).update { list throws(AccessError) in
                try list.allow(key, roles: wanted, name: name, at: KeyFailure.now)
            }
        }
        print("allowed \(entry.name) as \(entry.roles.text): \(entry.key)")
    }
}

struct KeysRevokeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Takes a key or an unused join token off the list; whoever is connected under it is dropped.")

    @Argument(help: "A name or a key, as keys show lists them.") var keyOrName: String
    @OptionGroup var home: HomeOption

    func run() throws {
        let (entry, _) = try KeyFailure.shown {
            try KeyStore(existingIn: home.folder).update { list throws(AccessError) in try list.revoke(keyOrName) }
        }
        print("revoked \(entry.name) (\(entry.kind.name), \(entry.roles.text)): \(entry.key)")
    }
}

/// How failures with keys end a command.
private enum KeyFailure {
    static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1000) }

    static func roles(_ texts: [String]) throws -> Set<Role> {
        guard !texts.isEmpty else { throw ValidationError("say what its holder may do: --role worker, client or admin") }
        return try asUsage { try Set(roles: Set(texts).sorted().joined(separator: "+")) }
    }

    /// For what the parser checks: errors become wrong usage.
    static func asUsage<Value>(_ work: () throws -> Value) throws -> Value {
        do {
            return try work()
        } catch {
            throw ValidationError("\(error)")
        }
    }

    static func shown<Value>(_ work: () throws -> Value) throws -> Value {
        do {
            return try work()
        } catch let error as AccessError {
            let status: ExitStatus =
                switch error.code {
                case .notFound: .notFound
                case .ambiguous, .exists: .usage
                default: .failed
                }
            throw CommandLineError(status, error.description)
        } catch let error as SocketError {
            throw CommandLineError(error.description)
        }
    }
}

extension AllowList.Entry.Kind {
    fileprivate var name: String {
        switch self {
        case .member: "member"
        case .oneTime(nil): "token"
        case .oneTime: "used"
        }
    }

    fileprivate var user: CurvePublicKey? { if case .oneTime(let user) = self { user } else { nil } }
}
