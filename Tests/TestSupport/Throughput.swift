extension DaemonHome {
    /// What TCP carries from a namespace to an address in another one, in bits a second of whole Ethernet frames, as the
    /// receiver sees it: half a second is let pass first, in which what may be sent at once is.
    ///
    /// - Parameter seconds: How long is measured.
    package func throughput(from sender: String, to receiver: String, _ address: String, seconds: Double) async throws
        -> Double
    {
        let paths = [sender, receiver].map { netnsDirectory + "/" + $0 }
        let command = try await Command.check("python3", ["-c", Self.program] + paths + [address, String(seconds)])
        guard let rate = Double(command.text.filter { !$0.isWhitespace }) else { throw TestFailure(command.text) }
        // 1448 bytes of data, with Ethernet's, IP's and TCP's headers and the time stamps before them.
        return rate * 1514 / 1448
    }

    /// Both ends in one process: a socket stays in the namespace that it was made in.
    private static let program = """
        import ctypes, os, socket, sys, threading, time
        libc = ctypes.CDLL(None, use_errno=True)
        def enter(path):
            with open(path) as namespace:
                if libc.setns(namespace.fileno(), 0x40000000): raise OSError(ctypes.get_errno(), path)
        def receive():
            data = receiver.recv(65536)
            if not data: sys.exit("the sender is gone")
            return len(data)
        family = socket.AF_INET6 if ":" in sys.argv[3] else socket.AF_INET
        enter(sys.argv[2])
        listener = socket.socket(family)
        listener.bind((sys.argv[3], 5001))
        listener.listen()
        enter(sys.argv[1])
        sender = socket.socket(family)
        sender.settimeout(20)
        sender.connect((sys.argv[3], 5001))
        receiver, _ = listener.accept()
        receiver.settimeout(20)
        def send():
            while True: sender.send(bytes(16384))
        threading.Thread(target=send, daemon=True).start()
        begin = time.monotonic() + 0.5
        while time.monotonic() < begin: receive()
        begin, count = time.monotonic(), 0
        while True:
            count += receive()
            now = time.monotonic()
            if now - begin >= float(sys.argv[4]): break
        print(count * 8 / (now - begin), flush=True)
        os._exit(0)
        """
}
