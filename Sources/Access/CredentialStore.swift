// SPDX-License-Identifier: Apache-2.0
package import Foundation
package import ZeroMQ

/// A user's credentials, one file for each coordinator.
///
///     FOLDER/credentials/HOST_PORT.json    one coordinator's
///     FOLDER/credentials/default           the name of the file that counts where no coordinator is named
///
/// FOLDER is `$PSEUDOWORD_CONFIG`, else `$XDG_CONFIG_HOME/pseudoword`, else `~/.config/pseudoword`. `$PSEUDOWORD_CREDENTIALS`, the path of
/// one file, comes before all of that.
package struct CredentialStore: Sendable {
    package let folder: URL
    /// The file that a user named in the environment.
    package let named: URL?

    private static let mostFiles = 1000

    package init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        named = environment["PSEUDOWORD_CREDENTIALS"].flatMap { $0.isEmpty ? nil : URL(fileURLWithPath: $0) }
        folder = UserFolder.configuration.folder(named: "PSEUDOWORD_CONFIG", environment: environment)
    }

    private var credentialsFolder: URL { folder.appendingPathComponent("credentials") }
    private var defaultFile: URL { credentialsFolder.appendingPathComponent("default") }

    /// Where the credentials for an address are kept.
    package func file(for endpoint: Endpoint) -> URL {
        let host = endpoint.host.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") ? $0 : "_" }
        return credentialsFolder.appendingPathComponent("\(String(host))_\(endpoint.port).json")
    }

    // MARK: Reading

    /// The credentials for an address; nil if there are none.
    ///
    /// Those of this very address come first; else all names of this machine itself are one.
    package func find(_ endpoint: Endpoint) throws(AccessError) -> Credentials? {
        if let named { return try existing(named) }
        guard try isThere() else { return nil }
        if let found = try Credentials.read(file(for: endpoint)), found.serves(endpoint) { return found }
        // A file that is broken does not matter to somebody who asks for another.
        let others = files().filter { $0 != self.file(for: endpoint) }.compactMap { try? Credentials.read($0) }
        if let found = others.first(where: { $0.serves(endpoint) }) { return found }
        return endpoint.isLoopback ? others.first { $0.servesThisMachine(at: endpoint.port) } : nil
    }

    /// The credentials for a coordinator, by its key; nil if there are none.
    package func find(server: CurvePublicKey) throws(AccessError) -> Credentials? {
        guard try isThere() else { return nil }
        return files().lazy.compactMap { try? Credentials.read($0) }.first { $0.serverKey == server }
    }

    /// What counts where no coordinator is named: the file of the environment, the default, or the only one; nil if there is none.
    package func standard() throws(AccessError) -> Credentials? {
        if let named { return try existing(named) }
        guard try isThere() else { return nil }
        if let data = try PrivateFile.read(defaultFile.path, atMost: 1024) {
            let name = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            guard let file = files().first(where: { $0.lastPathComponent == name }) else {
                throw AccessError(
                    .invalid, "\(defaultFile.path): names \"\(name.shown)\", which is not there; put in one of the files beside it")
            }
            return try existing(file)
        }
        let files = files()
        guard files.count <= 1 else {
            let names = files.prefix(5).map { $0.deletingPathExtension().lastPathComponent }.joined(separator: ", ")
            throw AccessError(.ambiguous, "there are credentials for \(files.count) coordinators (\(names)); name one with --coordinator")
        }
        return try files.first.map { file throws(AccessError) in try existing(file) }
    }

    // MARK: Writing

    /// Keeps credentials under their first address.
    ///
    /// - Parameter makeDefault: nil makes them the default where there is none yet.
    package func save(_ credentials: Credentials, makeDefault: Bool? = nil) throws(AccessError) {
        guard let endpoint = credentials.endpoints.first else {
            throw AccessError(.invalid, "credentials without an address are of no use")
        }
        try PrivateFile.makeFolder(credentialsFolder.path)
        let file = named ?? file(for: endpoint)
        try credentials.write(to: file)
        guard named == nil else { return }
        let isWanted = if let makeDefault { makeDefault } else { try PrivateFile.read(defaultFile.path, atMost: 1024) == nil }
        if isWanted {
            try PrivateFile.write(Data((file.lastPathComponent + "\n").utf8), to: defaultFile.path)
        }
    }

    /// What a box uses to join: the credentials that it has for the token's coordinator, or new ones, which are on disk when this returns.
    ///
    /// So a box that is killed while it joins comes back under the same key.
    package func credentials(for token: JoinToken) throws(AccessError) -> Credentials {
        if var known = try find(server: token.serverKey) {
            let others = known.endpoints.filter { !token.endpoints.contains($0) }
            known.endpoints = Array((token.endpoints + others).prefix(Credentials.mostEndpoints))
            known.roles.formUnion(token.roles)
            try save(known)
            return known
        }
        let keys: CurveKeyPair
        do { keys = try .generate() } catch { throw AccessError(.system, error.description) }
        let new = Credentials(endpoints: token.endpoints, serverKey: token.serverKey, keys: keys, roles: token.roles)
        try save(new)
        return new
    }

    // MARK: Inside

    private func existing(_ file: URL) throws(AccessError) -> Credentials {
        if let found = try Credentials.read(file) { return found }
        throw AccessError(.notFound, "\(file.path): there are no credentials")
    }

    private func isThere() throws(AccessError) -> Bool {
        do {
            try PrivateFile.checkFolder(credentialsFolder.path)
            return true
        } catch  where error.code == .notFound {
            return false
        }
    }

    private func files() -> [URL] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: credentialsFolder.path)) ?? []
        return names.filter { $0.hasSuffix(".json") && !$0.hasPrefix(".") }.sorted().prefix(Self.mostFiles)
            .map { credentialsFolder.appendingPathComponent($0) }
    }
}

extension Credentials {
    fileprivate func serves(_ endpoint: Endpoint) -> Bool {
        endpoints.contains { $0.port == endpoint.port && $0.host.lowercased() == endpoint.host.lowercased() }
    }

    /// Whether one of its addresses is this machine's own, by whichever of its names: `localhost`, `127.0.0.1` and `::1` are one.
    fileprivate func servesThisMachine(at port: UInt16) -> Bool { endpoints.contains { $0.port == port && $0.isLoopback } }
}
