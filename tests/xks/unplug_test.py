#!/usr/bin/env python3
"""unplug_test.py COFFERDAM_XKS SLOW_MODULE: a proxy or token that is unplugged is dead within a second and works again when it is back."""
import threading
import time

from running_proxy import KEY, METADATA, SLOW_MODULE, ProxyTest, main, wait_until


class Unplug(ProxyTest):
    def test_the_token(self):
        proxy = self.proxy()
        sealed = proxy.encrypt().json
        (proxy.folder / "tokens").rename(proxy.folder / "away")
        (proxy.folder / "tokens").mkdir()
        took = wait_until(lambda: proxy.decrypt(sealed).status != 200, 1, "the key still works")
        print(f"dead after {took * 1000:.0f} ms")
        for answer in (proxy.decrypt(sealed), proxy.encrypt(), proxy.health()):
            self.refused(answer, 500, "InternalException")
        self.assertIn("CKR_", proxy.audit()[-1]["detail"])
        # What needs no token still answers.
        self.assertEqual(proxy.curl(f"/keys/{KEY}/metadata", {"requestMetadata": METADATA}).status, 200)
        (proxy.folder / "tokens").rmdir()
        (proxy.folder / "away").rename(proxy.folder / "tokens")
        took = wait_until(lambda: proxy.decrypt(sealed).status == 200, 2, "the key doesn't work again")
        print(f"back after {took * 1000:.0f} ms")
        self.assertEqual(proxy.health().status, 200)

    def test_a_token_whose_folder_is_gone(self):
        """Then SoftHSM can't even be started anew, and the proxy must go on trying."""
        proxy = self.proxy()
        sealed = proxy.encrypt().json
        (proxy.folder / "tokens").rename(proxy.folder / "away")
        wait_until(lambda: "C_Initialize" in (proxy.decrypt(sealed), proxy.audit()[-1].get("detail", ""))[1], 2, "C_Initialize doesn't fail")
        for _ in range(3):
            time.sleep(0.25)
            self.refused(proxy.decrypt(sealed), 500, "InternalException")
        (proxy.folder / "away").rename(proxy.folder / "tokens")
        took = wait_until(lambda: proxy.decrypt(sealed).status == 200, 2, "the key doesn't work again")
        print(f"back after {took * 1000:.0f} ms")

    def test_the_proxy(self):
        proxy = self.proxy()
        sealed = proxy.encrypt().json
        proxy.stop(kill=True)
        self.assertEqual(proxy.decrypt(sealed).status, 0)
        proxy.start()
        self.assertEqual(proxy.decrypt(sealed).status, 200)

    def test_a_token_that_hangs(self):

        def through_module(configuration):
            configuration["token"].update(module=SLOW_MODULE, sessions=2)
        proxy = self.proxy(through_module, environment={"COFFERDAM_SLOW_TOKEN": "/nonexistent"})
        proxy.stop()
        slow = proxy.scratch / "slow"
        proxy.environment["COFFERDAM_SLOW_TOKEN"] = str(slow)
        proxy.start()
        sealed = proxy.encrypt().json
        slow.write_text("2000")
        late = proxy.encrypt()
        self.refused(late, 503, "DependencyTimeoutException")
        self.assertLess(late.seconds, 0.6)
        # Both of the token's threads hang now and more callers come: each is answered in its time, and what needs no token at once.
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(proxy.encrypt())) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        self.assertEqual(proxy.curl(f"/keys/{KEY}/metadata", {"requestMetadata": METADATA}).status, 200)
        for thread in threads:
            thread.join()
        self.assertEqual({answer.status for answer in answers}, {503})
        slow.unlink()
        took = wait_until(lambda: proxy.decrypt(sealed).status == 200 and proxy.encrypt().status == 200, 6, "the token's threads are lost")
        print(f"back after {took * 1000:.0f} ms")


if __name__ == "__main__":
    main()
