// SPDX-License-Identifier: Apache-2.0
import Access
import ArgumentParser
import Fleet
import Foundation
import ZeroMQ

/// Where a coordinator keeps everything.
struct HomeOption: ParsableArguments {
    @Option(help: "The coordinator's folder (default: $PSEUDOWORD_HOME, or ~/.local/share/pseudoword).")
    var home: String?

    var folder: URL {
        if let home { return URL(fileURLWithPath: (home as NSString).expandingTildeInPath) }
        let environment = ProcessInfo.processInfo.environment
        if let home = environment["PSEUDOWORD_HOME"], !home.isEmpty { return URL(fileURLWithPath: home) }
        let data = environment["XDG_DATA_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? NSHomeDirectory() + "/.local/share"
        return URL(fileURLWithPath: data + "/pseudoword")
    }
}

/// How a client finds its coordinator and shows who it is: by address, or by the home of one that runs on this machine.
struct CoordinatorOption: ParsableArguments {
    static let defaultAddress = "tcp://127.0.0.1:7400"

    @Option(help: "The coordinator's address (default: what --home says, the fleet that was joined, or tcp://127.0.0.1:7400).")
    var coordinator: String?
    @Option(help: "The file with this machine's key (default: the one that joining left in the configuration folder).")
    var credentials: String?
    @Flag(help: "Speak without keys, to a coordinator that runs with --insecure.") var insecure = false
    @OptionGroup var home: HomeOption

    /// Where the coordinator is and with which keys to speak to it.
    func place() throws -> (endpoint: Endpoint, security: SocketSecurity) {
        let announced = coordinator == nil ? Discovery.read(from: home.folder)?.endpoint : nil
        // A home remembers where its coordinator listened: a worker waits for it there.
        if home.home != nil, coordinator == nil, announced == nil, insecure || local == nil {
            throw CommandLineError(
                .unreachable,
                "home \(home.folder.path): no coordinator runs there; start one with: pseudoword coordinator --home \(home.folder.path)")
        }
        let named = try (coordinator ?? announced).map(Self.parse)
        if insecure { return (try named ?? Self.parse(Self.defaultAddress), .none) }
        let known = try find(named, isLocal: announced != nil)
        let endpoint = try named ?? known?.endpoints.first ?? Self.parse(Self.defaultAddress)
        guard let known else {
            throw CommandLineError(
                .refused,
                "no key for the coordinator at \(endpoint); join with: pseudoword join TOKEN (pseudoword keys token --role client makes one)"
            )
        }
        return (endpoint, known.security)
    }

    private func find(_ endpoint: Endpoint?, isLocal: Bool) throws -> Credentials? {
        do {
            if let credentials {
                let file = URL(fileURLWithPath: (credentials as NSString).expandingTildeInPath)
                guard let found = try Credentials.read(file) else { throw CommandLineError(.notFound, "\(file.path): no such file") }
                return found
            }
            // Whoever can read a home may command its coordinator.
            if isLocal || home.home != nil, let local { return local }
            let store = CredentialStore()
            return try endpoint.map { try store.find($0) } ?? store.standard()
        } catch let error as AccessError {
            throw CommandLineError(error.code == .notFound ? .notFound : .failed, error.description)
        }
    }

    /// What a coordinator left in its home for its own user.
    private var local: Credentials? {
        (try? KeyStore(existingIn: home.folder)).flatMap { try? Credentials.read($0.localFile) }
    }

    func client() throws -> FleetClient {
        let (endpoint, security) = try place()
        return FleetClient(endpoint, security: security, program: Program.name)
    }

    static func parse(_ address: String) throws -> Endpoint {
        do {
            return try Endpoint(address)
        } catch {
            throw CommandLineError(.usage, error.description)
        }
    }
}

/// Where files by content are kept on a machine.
struct CacheOption: ParsableArguments {
    @Option(help: "The folder for models, pictures and latents by content (default: $PSEUDOWORD_CACHE, or ~/.cache/pseudoword).")
    var cache: String?
    @Option(help: "Gigabytes that it may hold; what was not used for the longest time goes first.") var cacheLimit = 40.0

    func validate() throws {
        guard (0.1...100_000).contains(cacheLimit) else { throw ValidationError("--cache-limit takes a number of gigabytes from 0.1 up") }
    }

    var limitBytes: Int64 { Int64(cacheLimit * 1e9) }

    var folder: URL {
        if let cache { return URL(fileURLWithPath: (cache as NSString).expandingTildeInPath) }
        let environment = ProcessInfo.processInfo.environment
        if let cache = environment["PSEUDOWORD_CACHE"], !cache.isEmpty { return URL(fileURLWithPath: cache) }
        let base = environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? NSHomeDirectory() + "/.cache"
        return URL(fileURLWithPath: base + "/pseudoword")
    }
}

/// Finds the checkpoint that a user means.
enum CheckpointLocation {
    /// - Returns: nil when the study is not on this machine and a coordinator may know it.
    static func find(_ study: String, home: HomeOption, trial: TrialChoice) throws -> String? {
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: study, isDirectory: &isFolder)
        if exists && !isFolder.boolValue { return study }
        let base = exists ? URL(fileURLWithPath: study) : home.folder
        let studies = base.appendingPathComponent("studies")
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: studies.path)) ?? []).sorted()
        let name = exists ? names.first ?? "" : study
        if exists && names.count != 1 {
            throw CommandLineError(.notFound, "\(study): holds \(names.count) studies; name one of them and give the folder as --home")
        }
        if !exists, home.home == nil, !names.contains(name) { return nil }
        let index = try trial.number ?? best(of: name, in: base)
        let path = Home.checkpoint(in: base, study: name, trial: index).path
        guard FileManager.default.fileExists(atPath: path) else {
            let known = names.isEmpty ? "there is no study" : "studies there: \(names.joined(separator: ", "))"
            throw CommandLineError(.notFound, "no checkpoint of study \(study), trial \(index) in \(base.path); \(known)")
        }
        return path
    }

    /// The trial with the lowest evaluation loss, as the ledger has it.
    private static func best(of name: String, in base: URL) throws -> Int {
        try (try? OfflineHome(base))?.status().study(name)?.bestTrial ?? 0
    }
}
