// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import FleetHosts

@Suite("What boxes, bundles and coordinators say")
struct AnswersTests {
    static let usual = """
        Welcome to box-b!
        pseudoword: system Linux
        pseudoword: machine x86_64
        pseudoword: glibc glibc 2.36
        pseudoword: processors 8
        pseudoword: node 10 4-7
        pseudoword: node 2 0-3
        pseudoword: node 3 
        pseudoword: node -1 9
        pseudoword: node 5 12-13
        pseudoword: allowed Cpus_allowed_list:\t0-2,4-7
        pseudoword: client 10.0.0.1
        pseudoword: free 5000000
        pseudoword: worker name=box-b-1 process=77 program=abc coordinator=tcp://10.0.0.1:7400
        pseudoword: worker name=box-b-2 process= program= coordinator=
        pseudoword: worker name=../x process=1 program= coordinator=
        pseudoword: end
        """
    static let description = """
        format=1
        version=0.1.0
        commit=0123
        machine=x86_64
        glibc=2.36
        kilobytes=100000
        date=1700000000
        color=blue
        """

    @Test func aBoxIsRead() throws {
        let report = try BoxReport.parse(Self.usual)
        #expect(
            report.system == "Linux" && report.machine == "x86_64" && report.processors == 8 && report.freeKilobytes == 5_000_000)
        #expect(
            report.nodes == [ProcessorNode(number: 2, processors: [0, 1, 2]), ProcessorNode(number: 10, processors: [4, 5, 6, 7])],
            "in order, and of those only what the login may use")
        #expect(report.clientAddress == "10.0.0.1" && !report.hasProgram)
        #expect(report.workers.map(\.name) == ["box-b-1", "box-b-2"])
        #expect(report.workers[0].process == 77 && report.workers[0].coordinator == "tcp://10.0.0.1:7400")
        #expect(report.workers[1].process == nil && report.workers[1].coordinator == nil)
        #expect(report.workers[0].stopped.process == nil)
    }

    @Test func anAnswerWithoutItsEndIsRefused() {
        #expect(throws: HostsError.self) { try BoxReport.parse(String(Self.usual.dropLast(5))) }
        #expect(throws: HostsError.self) { try BoxReport.parse("") }
    }

    @Test func aBoxThatFitsHasNoObjection() throws {
        let bundle = try BundleDescription.parse(Self.description, source: "b")
        #expect(bundle.date == 1_700_000_000)
        #expect(bundle.objection(of: try BoxReport.parse(Self.usual), packedBytes: 60 << 20) == nil)
    }

    @Test(arguments: [
        ("system Linux", "system Darwin", "not Linux"),
        ("machine x86_64", "machine aarch64", "\"aarch64\" machine"),
        ("glibc glibc 2.36", "glibc glibc 2.31", "glibc 2.31 and the bundle needs 2.36"),
        ("glibc glibc 2.36", "glibc ", "no glibc"),
        ("free 5000000", "free 100", "MB free"),
        ("system Linux", "system Linux\npseudoword: lacks tar", "lacks tar"),
    ])
    func aBoxThatDoesNotFitIsToldWhy(old: String, new: String, message: String) throws {
        let bundle = try BundleDescription.parse(Self.description, source: "b")
        let box = try BoxReport.parse(Self.usual.replacing("pseudoword: " + old, with: "pseudoword: " + new))
        let objection = bundle.objection(of: box, packedBytes: 60 << 20)
        #expect(objection?.contains(message) == true, "\(objection ?? "none")")
    }

    @Test(arguments: ["2.36", "glibc 2.36", "ldd (Debian GLIBC 2.36-9+deb12u10) 2.36"])
    func versionsOfGlibc(text: String) throws {
        let version = try #require(GlibcVersion(text))
        #expect(version.description == "2.36")
        #expect(try #require(GlibcVersion("2.4")) < version)
        #expect(try #require(GlibcVersion("2.100")) > version)
    }

    @Test(arguments: ["", "2", "x.y", "2.", "99999999999999999999.1"])
    func noVersionOfGlibc(text: String) { #expect(GlibcVersion(text) == nil) }

    @Test(arguments: ["format=1", "machine=x86_64", "glibc=2.36", "kilobytes=100000", "date=1700000000", "version=0.1.0"])
    func aDescriptionNeedsEveryLine(line: String) {
        #expect(throws: HostsError.self) { try BundleDescription.parse(Self.description.replacing(line, with: "x=y"), source: "b") }
    }

    @Test func whatScriptsSayOfWorkers() {
        let output = """
            pseudoword: runs name=b-1 process=5
            pseudoword: started name=b-2 process=6
            pseudoword: ended name=b-3 log=pseudoword: the key was refused
            pseudoword: stopped name=b-4 how=drained
            pseudoword: stopped name=b-5 how=melted
            runs name=b-6 process=5
            """
        #expect(
            StartReport.parse(output) == [
                .runs(name: "b-1", process: 5), .started(name: "b-2", process: 6),
                .ended(name: "b-3", lastWords: "pseudoword: the key was refused"),
            ])
        #expect(StopReport.parse(output) == [StopReport(name: "b-4", ending: .drained)])
        #expect(RemoteLine.complaint(in: "x\npseudoword: error no room\u{1B}[m\n") == "no room [m")
        #expect(RemoteLine.complaint(in: output) == nil)
    }

    @Test func aCoordinatorIsReadAndWorkersAreSeen() throws {
        let json = """
            {"schema_version": 1, "endpoint": "tcp://10.0.0.1:7400", "studies": [], "workers": [
              {"name": "b-1", "state": "idle", "process_id": 5, "extra": {}},
              {"name": "b-2", "state": "lost", "process_id": 6}, {"name": "b-3", "state": "running"}]}
            """
        let sighting = try FleetSighting.parse(Array(json.utf8))
        #expect(sighting.endpoint == "tcp://10.0.0.1:7400")
        #expect(sighting.hasSeen("b-1", process: 5))
        #expect(!sighting.hasSeen("b-1", process: 50))
        #expect(!sighting.hasSeen("b-2", process: 6))
        #expect(sighting.hasSeen("b-3", process: 7))
        #expect(!sighting.hasSeen("b-4", process: 7))
        #expect(throws: HostsError.self) { try FleetSighting.parse(Array("{}".utf8)) }
        #expect(throws: HostsError.self) { try FleetSighting.parse([0xFF]) }
    }

    @Test(arguments: [
        ("tcp://10.0.0.1:7400", "10.9.9.9", "tcp://10.0.0.1:7400"),
        ("tcp://0.0.0.0:7400", "10.0.0.1", "tcp://10.0.0.1:7400"),
        ("tcp://*:7401", "10.0.0.1", "tcp://10.0.0.1:7401"),
        ("tcp://[::]:7400", "fd00::1", "tcp://[fd00::1]:7400"),
        ("tcp://[::]:7400", "10.0.0.1", "tcp://10.0.0.1:7400"),
        ("tcp://127.0.0.1:7400", "127.0.0.1", "tcp://127.0.0.1:7400"),
        ("tcp://127.0.0.1:7400", "::1", "tcp://127.0.0.1:7400"),
    ])
    func howABoxReachesTheCoordinator(endpoint: String, client: String, expected: String) throws {
        var box = BoxReport()
        box.clientAddress = client
        #expect(try CoordinatorAddress.seen(from: box, listening: endpoint) == expected)
    }

    @Test(arguments: [
        ("tcp://127.0.0.1:7400", "10.0.0.1", "--listen tcp://0.0.0.0:7400"), ("tcp://0.0.0.0:7400", "", "--address"),
        ("tcp://0.0.0.0:7400", "fe80::1%eth0", "--address"), ("tcp://0.0.0.0:7400", "$(reboot)", "--address"),
        ("ipc:///x", "10.0.0.1", "--address"), ("tcp://:7400", "10.0.0.1", "--address"), ("tcp://a'b:7400", "10.0.0.1", "--address"),
        ("tcp://h:0", "10.0.0.1", "--address"),
    ])
    func howABoxDoesNotReachTheCoordinator(endpoint: String, client: String, message: String) {
        var box = BoxReport()
        box.clientAddress = client
        let error = #expect(throws: HostsError.self) { try CoordinatorAddress.seen(from: box, listening: endpoint) }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
        #expect(client.isEmpty == false || !CoordinatorAddress.isUsable("tcp://0.0.0.0:7400"))
    }
}
