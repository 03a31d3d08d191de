// SPDX-License-Identifier: Apache-2.0
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

/// How a client finds its coordinator: by address, or by the home of one that runs on this machine.
struct CoordinatorOption: ParsableArguments {
    static let defaultAddress = "tcp://127.0.0.1:7400"

    @Option(help: "The coordinator's address (default: what --home says, or tcp://127.0.0.1:7400).")
    var coordinator: String?
    @OptionGroup var home: HomeOption

    func endpoint() throws -> Endpoint {
        let announced = coordinator == nil ? Discovery.read(from: home.folder)?.endpoint : nil
        if home.home != nil, coordinator == nil, announced == nil {
            throw CommandLineError(
                .unreachable,
                "home \(home.folder.path): no coordinator runs there; start one with: pseudoword coordinator --home \(home.folder.path)")
        }
        return try Self.parse(coordinator ?? announced ?? Self.defaultAddress)
    }

    func client() throws -> FleetClient { FleetClient(try endpoint(), program: Program.name) }

    static func parse(_ address: String) throws -> Endpoint {
        do {
            return try Endpoint(address)
        } catch {
            throw CommandLineError(.usage, error.description)
        }
    }
}

/// Finds the checkpoint that a user means.
enum CheckpointLocation {
    static func find(_ study: String, home: HomeOption, trial: Int) throws -> String {
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
        let path = Home.checkpoint(in: base, study: name, trial: trial).path
        guard FileManager.default.fileExists(atPath: path) else {
            let known = names.isEmpty ? "there is no study" : "studies there: \(names.joined(separator: ", "))"
            throw CommandLineError(.notFound, "no checkpoint of study \(study), trial \(trial) in \(base.path); \(known)")
        }
        return path
    }
}
