// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import FleetHosts
import Foundation

struct FleetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet", abstract: "Brings up and ends workers on other boxes over ssh.",
        discussion: """
            HOSTS.txt has a box a line, as ssh reaches it without asking for a password:

                [user@]host[:port] [workers=N] [threads=N] [name=NAME]     # a comment
            """,
        subcommands: [FleetUpCommand.self, FleetDownCommand.self])
}

struct FleetUpCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Copies the program to each box that lacks it, starts its workers, and waits until they have joined.",
        discussion: "Workers that run already are left alone. Exits with 6 when some box failed.")

    @OptionGroup var boxes: FleetBoxesOption
    @OptionGroup var home: HomeOption
    @Option(help: "A file made by deploy/bundle (default: the bundle that this program is part of).") var bundle: String?
    @Option(help: "Threads of each worker, where the hosts file does not say (default: the box's processors, shared out).")
    var threads: Int?
    @Option(help: "The coordinator's address for workers, tcp://HOST:PORT (default: where the box sees this one).") var address: String?
    @Option(help: "Seconds to wait until a worker has joined.") var wait = 60.0
    @Option(help: "With --restart, seconds that a worker gets to end.") var grace = 60
    @Flag(help: "Replace workers that run another program than the bundle's.") var restart = false
    @Flag(help: "Give every worker that is started a new key.") var rejoin = false
    @Option(help: .hidden) var program: String?

    func validate() throws {
        if let threads, !(1...HostsFile.maximumThreads).contains(threads) {
            throw ValidationError("--threads takes a number from 1 to \(HostsFile.maximumThreads)")
        }
        if let address, !CoordinatorAddress.isUsable(address) {
            throw ValidationError("--address takes an address that other boxes reach: tcp://HOST:PORT")
        }
        guard (0...86_400).contains(wait) else { throw ValidationError("--wait takes a number of seconds from 0 to 86400") }
        guard (0...86_400).contains(grace) else { throw ValidationError("--grace takes a number of seconds from 0 to 86400") }
    }

    func run() throws {
        StopSignal.install()
        let hosts = try boxes.read()
        let coordinator = FleetCoordinator(program: program, home: home.folder.path)
        let endpoint = try coordinator.sighting().endpoint
        let bundle = try FleetBundle.find(bundle)
        defer { bundle.remove() }
        if bundle.description.version != Program.version {
            Main.complain("note: the bundle is version \(bundle.description.version) and this program \(Program.version)")
        }
        try boxes.forEach(hosts) { connections in
            let up = FleetUp(
                coordinator: coordinator, bundle: bundle, connections: connections, endpoint: endpoint, address: address, threads: threads,
                wait: wait, grace: grace, restarts: restart, rejoins: rejoin)
            return { try up.bringUp($0) }
        }
    }
}

struct FleetDownCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down", abstract: "Ends the workers that fleet up started: each finishes or hands back its work.",
        discussion: "Keys, programs and what workers fetched stay on the boxes for the next time. Exits with 6 when some box failed.")

    @OptionGroup var boxes: FleetBoxesOption
    @Option(help: "Seconds that workers get to end before they are killed.") var grace = 60
    @Flag(help: "Remove the workers' keys and logs, and the program and what was fetched when no worker is left.") var purge = false

    func validate() throws {
        guard (0...86_400).contains(grace) else { throw ValidationError("--grace takes a number of seconds from 0 to 86400") }
    }

    func run() throws {
        StopSignal.install()
        let hosts = try boxes.read()
        let (grace, purge) = (grace, purge)
        try boxes.forEach(hosts) { connections in
            { try FleetDown(connections: connections, grace: grace, purge: purge).takeDown($0) }
        }
    }
}

/// Which boxes, and how to get there.
struct FleetBoxesOption: ParsableArguments {
    @Argument(help: "The hosts file; - reads it from standard input.") var hosts: String
    @Option(help: "How many boxes at a time.") var atOnce = 16
    @Option(help: "A file for ssh to read in place of ~/.ssh/config.") var sshConfig: String?

    func validate() throws {
        guard (1...256).contains(atOnce) else { throw ValidationError("--at-once takes a number from 1 to 256") }
    }

    func read() throws -> HostsFile {
        let file = hosts == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: hosts)
        guard let file else { throw CommandLineError(.notFound, "\(hosts): cannot be read") }
        guard let data = try? file.read(upToCount: HostsFile.maximumBytes + 1) ?? Data(), let text = String(data: data, encoding: .utf8)
        else { throw CommandLineError(.usage, "\(hosts): not a text file") }
        do { return try HostsFile.parse(text, source: hosts) } catch { throw CommandLineError(.usage, error.description) }
    }

    /// Does the work for every box, and ends the program with 6 if some failed.
    func forEach(_ hosts: HostsFile, _ work: (SSHConnections) -> @Sendable (HostEntry) throws -> String) throws {
        let connections = try SSHConnections(configuration: sshConfig)
        defer { connections.remove() }
        let failures = FleetCrew(hosts.entries).forEach(atOnce: atOnce, work(connections))
        if StopSignal.isReceived { throw CommandLineError(.interrupted, "interrupted") }
        if failures > 0 { throw CommandLineError(.degraded, "\(failures) of \(hosts.entries.count) boxes failed") }
    }
}
