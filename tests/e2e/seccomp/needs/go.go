// What Go programs ask of the kernel: each need fails loudly, the last line is "ok".
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		_, _, line, _ := runtime.Caller(1)
		fmt.Printf("line %d: %v\n", line, err)
		os.Exit(1)
	}
}

func goroutines() {
	var group sync.WaitGroup
	for range 1000 {
		group.Add(1)
		go func() {
			defer group.Done()
			_ = make([]byte, 4096)
			runtime.Gosched()
		}()
	}
	group.Wait()
	var threads sync.WaitGroup
	for range 8 {
		threads.Add(1)
		go func() {
			runtime.LockOSThread()
			time.Sleep(5 * time.Millisecond)
			threads.Done()
		}()
	}
	threads.Wait()
	runtime.GC()
	busy := time.Now()
	go func() {
		for { // ended only by preemption, which is a signal
		}
	}()
	for time.Since(busy) < 30*time.Millisecond {
		runtime.Gosched()
	}
}

func processes() {
	printed, err := exec.Command("echo", "x").Output()
	check(err)
	if string(printed) != "x\n" {
		check(fmt.Errorf("echo printed %q", printed))
	}
	sleeper := exec.Command("sleep", "60")
	check(sleeper.Start())
	check(sleeper.Process.Kill()) // by pidfd
	_ = sleeper.Wait()
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1)
	check(syscall.Kill(os.Getpid(), syscall.SIGUSR1))
	<-caught
}

func pair(network, address string) (net.Conn, net.Conn) {
	listener, err := net.Listen(network, address)
	check(err)
	defer listener.Close()
	dialed, err := net.Dial(network, listener.Addr().String())
	check(err)
	accepted, err := listener.Accept()
	check(err)
	return dialed, accepted
}

// Copies socket to socket (splice), file to socket (sendfile), file to file (copy_file_range).
func copies() {
	content := bytes.Repeat([]byte("x"), 100_000)
	check(os.WriteFile("source", content, 0o600))
	first, second := pair("tcp", "127.0.0.1:0")
	third, fourth := pair("tcp", "127.0.0.1:0")
	go func() {
		file, err := os.Open("source")
		check(err)
		_, err = io.Copy(first, file)
		check(err)
		first.Close()
	}()
	go func() {
		_, err := io.Copy(third, second)
		check(err)
		third.Close()
	}()
	target, err := os.Create("target")
	check(err)
	copied, err := io.Copy(target, fourth)
	check(err)
	if copied != int64(len(content)) {
		check(fmt.Errorf("copied %d bytes", copied))
	}
	check(os.MkdirAll("folder/inner", 0o700))
	check(os.WriteFile("folder/inner/file", content, 0o600))
	check(os.CopyFS("tree", os.DirFS("folder")))
	one, err := os.Open("source")
	check(err)
	_, err = io.Copy(target, one)
	check(err)
	left, right := pair("unix", "echo.sock")
	go func() { _, _ = io.Copy(left, second); left.Close() }()
	_, err = io.ReadAll(right)
	check(err)
}

func network() {
	interfaces, err := net.Interfaces()
	check(err)
	_, err = interfaces[0].Addrs()
	check(err)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	check(err)
	_, err = udp.WriteTo([]byte("x"), udp.LocalAddr())
	check(err)
	_, _, err = udp.ReadFrom(make([]byte, 1))
	check(err)
	_, err = net.LookupHost("localhost")
	check(err)
}

func main() {
	goroutines()
	processes()
	copies()
	network()
	fmt.Println("ok")
}
