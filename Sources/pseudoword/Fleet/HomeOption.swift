// SPDX-License-Identifier: Apache-2.0
import Access
import ArgumentParser
import Fleet
import Foundation
import Glibc
import ZeroMQ

/// Where a coordinator keeps everything.
struct HomeOption: ParsableArguments {
    @Option(help: "The coordinator's folder (default: $PSEUDOWORD_HOME, or ~/.local/share/pseudoword).")
    var home: String?

    var folder: URL {
        if let home { return URL(fileURLWithPath: (home as NSString).expandingTildeInPath) }
        return UserFolder.data.folder(named: "PSEUDOWORD_HOME")
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

    /// Where the coordinator is, the most likely address first, and with which keys to speak to it.
    func place() throws -> (endpoints: [Endpoint], security: SocketSecurity) {
        let announced = coordinator == nil ? Discovery.read(from: home.folder)?.endpoint : nil
        // A home remembers where its coordinator listened: a worker waits for it there.
        if home.home != nil, coordinator == nil, announced == nil, insecure || local == nil {
            throw CommandLineError(
                .unreachable,
                "home \(home.folder.path): no coordinator runs there; start one with: pseudoword coordinator --home \(home.folder.path)")
        }
        let named = try (coordinator ?? announced).map(Self.parse)
        if insecure { return ([try named ?? Self.parse(Self.defaultAddress)], .none) }
        let known = try find(named, isLocal: announced != nil)
        // Whoever names an address means that one.
        let endpoints = try named.map { [$0] } ?? known?.endpoints ?? [Self.parse(Self.defaultAddress)]
        guard let known else {
            throw CommandLineError(
                .refused,
                "no key for the coordinator at \(endpoints[0]); join with: pseudoword join TOKEN (pseudoword keys token --role client makes one)"
            )
        }
        return (endpoints, known.security)
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
        let (endpoints, security) = try place()
        var client = FleetClient(endpoints[0], security: security, program: Program.name)
        client.alternatives = Array(endpoints.dropFirst())
        return client
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

    /// Makes the folder, so that a worker which cannot keep anything says so at once.
    func prepare() throws {
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw CommandLineError("cache \(folder.path): cannot make this folder; choose another with --cache or $PSEUDOWORD_CACHE")
        }
        guard access(folder.path, W_OK) == 0 else {
            throw CommandLineError("cache \(folder.path): not writable by this user; choose another with --cache or $PSEUDOWORD_CACHE")
        }
    }

    var folder: URL {
        if let cache { return URL(fileURLWithPath: (cache as NSString).expandingTildeInPath) }
        return UserFolder.cache.folder(named: "PSEUDOWORD_CACHE")
    }
}
