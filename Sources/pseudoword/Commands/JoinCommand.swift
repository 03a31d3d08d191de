// SPDX-License-Identifier: Apache-2.0
import Access
import ArgumentParser
import Fleet
import Foundation
import ZeroMQ

/// A one-time token, given on the command line or in a file that is removed once it was used.
struct JoinOption: ParsableArguments {
    @Option(help: "Join a fleet first, with the one-time token that its coordinator printed.") var join: String?
    @Option(help: "The same, with the token in a file, which is removed once it was used; - reads standard input.") var joinFile: String?

    func validate() throws {
        if join != nil, joinFile != nil { throw ValidationError("give --join or --join-file, not both") }
    }

    /// Joins if there is a token.
    ///
    /// - Returns: the credentials that joining left; nil without a token.
    func perform(name: String) throws -> Credentials? {
        guard let text = try join ?? read() else { return nil }
        let credentials = try Self.join(text, name: name)
        if let joinFile, joinFile != "-" { try? FileManager.default.removeItem(atPath: joinFile) }
        return credentials
    }

    private func read() throws -> String? {
        guard let joinFile else { return nil }
        if joinFile == "-" { return readLine() ?? "" }
        guard let text = try? String(contentsOfFile: (joinFile as NSString).expandingTildeInPath, encoding: .utf8) else {
            throw CommandLineError(.notFound, "\(joinFile): cannot read the token; was it used already?")
        }
        return text
    }

    static func join(_ text: String, name: String) throws -> Credentials {
        do {
            let token = try JoinToken(text: text.trimmingCharacters(in: .whitespacesAndNewlines))
            return try FleetClient.join(token, name: name, store: CredentialStore(), program: Program.name)
        } catch let error as AccessError {
            throw CommandLineError(error.code == .invalid ? .usage : .failed, error.description)
        }
    }
}

struct JoinCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Makes this machine a client of a fleet, with a one-time token.",
        discussion:
            "pseudoword keys token --role client makes a token on the coordinator's machine. Workers join with: pseudoword worker --join TOKEN"
    )

    @Argument(help: "The token; - reads it from standard input.") var token: String
    @Option(help: "What people call this machine (default: its host name).") var name: String?

    func run() throws {
        let text = token == "-" ? readLine() ?? "" : token
        let credentials = try JoinOption.join(text, name: name ?? ProcessInfo.processInfo.hostName)
        print("joined \(credentials.endpoints.first?.description ?? "the fleet") as \(credentials.roles.text)")
    }
}
