// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

@main
struct FleetBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet-bench", abstract: "Measures what the parts of a fleet carry, with real processes, sockets and disks.",
        subcommands: [
            SyncBench.self, LeasesBench.self, LeasesServe.self, CrowdBench.self, CrowdServe.self, BlobsBench.self, BlobsServe.self,
            BlobsFetch.self,
            BareServe.self, BareFetch.self,
        ])
}

enum BenchOutput: String, ExpressibleByArgument, CaseIterable { case table, json }
